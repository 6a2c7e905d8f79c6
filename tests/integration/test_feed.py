"""The feed on a real PostgreSQL: what may be believed while news is on its way."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, tzinfo

import asyncpg
import pytest

from holdfast.crypto.envelope import Envelope
from holdfast.crypto.keyring import KeyRing, generate_key
from holdfast.domain.audit import record_of
from holdfast.domain.names import SecretName
from holdfast.domain.policy import SYSTEM
from holdfast.stores.postgres import clock as module
from holdfast.stores.postgres.clock import BelievedClock
from holdfast.stores.postgres.clock_acceptance import PostgresClock
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.feed import LIVE_WITHIN_S, PostgresFeed
from tests.support.node import within
from tests.support.stopwatch import Stopwatch

HOUR = timedelta(hours=1)
SEALER = Envelope(KeyRing.from_settings(generate_key()))


class Busy:
    """A listener that takes its time over secrets. ``told`` collects what it heard of each, and at which revision."""

    def __init__(self) -> None:
        self.told: dict[str, int] = {}

    async def resynchronise(self) -> None: ...

    def secrets_missed(self) -> None: ...

    async def secret_changed(self, name: SecretName, revision: int) -> None:
        await self.secret_absent(name, revision)

    async def secret_absent(self, name: SecretName, revision: int) -> None:
        await asyncio.sleep(0.1)
        self.told[name] = revision

    async def timeline_reached(self, timeline: str, revision: int) -> None: ...

    async def rules_reached(self, epoch: int) -> None: ...

    async def identities_reached(self, epoch: int) -> None: ...

    async def key_activated(self, activation: int, key_id: str) -> None: ...


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, max_connections=4)
    await database.open()
    yield database
    await database.close()


async def test_i3_a_feed_that_is_behind_is_not_live(database: Database) -> None:
    feed, listener = PostgresFeed(database, SEALER), Busy()
    await feed.start(listener)
    try:
        async with database.connection() as connection:
            await connection.execute(
                "SELECT pg_notify('holdfast', 'secret:k' || n || ':1') FROM generate_series(1, 25) n;"
                "SELECT pg_notify('holdfast', 'secret:api-key:7')"
            )
        watch = Stopwatch()
        while "api-key" not in listener.told:
            seen_live, undelivered = feed.live(), "api-key" not in listener.told
            assert not (seen_live and undelivered and watch.beyond(LIVE_WITHIN_S))
            await asyncio.sleep(0.02)
        while not feed.live():
            await asyncio.sleep(0.02)
    finally:
        await feed.stop()


async def test_i6_no_step_of_the_machine_s_clock_makes_the_past_come_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = PostgresFeed(database, SEALER)
    await feed.start(Busy())
    await feed.stop()
    before = feed.clock.now()

    class SteppedBack(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "SteppedBack":
            stepped = super().now(tz) - timedelta(hours=1)
            return cls.fromtimestamp(stepped.timestamp(), tz)

    monkeypatch.setattr(module, "datetime", SteppedBack)
    assert timedelta(0) <= feed.clock.now() - before < timedelta(minutes=1)
    assert abs(feed.clock.now() - datetime.now(UTC)) < timedelta(minutes=1)


class Ahead(BelievedClock):
    """What a node believes where PostgreSQL's clock and its own were an hour ahead, and have been set right."""

    def __init__(self) -> None:
        self.ahead = HOUR
        super().__init__(machine=lambda: datetime.now(UTC) + self.ahead)
        self.told(datetime.now(UTC) + HOUR)
        self.ahead = timedelta()

    @property
    def believes(self) -> timedelta:
        return self.now() - datetime.now(UTC)


@pytest.fixture
async def ahead(database: Database) -> AsyncIterator[Ahead]:
    feed = PostgresFeed(database, SEALER)
    feed.clock = clock = Ahead()
    await feed.start(Busy())
    yield clock
    await feed.stop()


async def accept(store: PostgresClock, believed: datetime) -> None:
    moment, _ = await store.look()
    record = record_of(SYSTEM, "clock.accept", "*", believed)
    await store.accept(moment, believed, "alice", record)


async def test_i6_a_clock_that_went_back_counts_once_somebody_vouches_for_it(database: Database, ahead: Ahead) -> None:
    assert "went back by 3600 s" in (ahead.doubt or "")
    assert abs(ahead.believes - HOUR) < timedelta(seconds=20)
    await accept(PostgresClock(database, SEALER), ahead.now())

    async def counts() -> bool:
        return ahead.doubt is None

    await within(10, counts)
    assert abs(ahead.believes) < timedelta(seconds=20)


async def test_i6_nobody_vouches_for_a_clock_without_the_key_or_long_after(database: Database, ahead: Ahead) -> None:
    await accept(PostgresClock(database, Envelope(KeyRing.from_settings(generate_key()))), ahead.now())
    await asyncio.sleep(1.5)
    assert ahead.doubt is not None
    await accept(PostgresClock(database, SEALER), ahead.now() - timedelta(hours=2))
    await asyncio.sleep(1.5)
    assert ahead.doubt is not None
    assert abs(ahead.believes - HOUR) < timedelta(seconds=20)


async def test_a_locked_audit_trail_keeps_no_node_from_starting(database: Database, database_url: str) -> None:
    feed = PostgresFeed(database, SEALER)
    holder = await asyncpg.connect(database_url)
    try:
        async with holder.transaction():
            await holder.execute("LOCK TABLE secret_access_logs")
            await feed.start(Busy())
            assert feed.seconds_since_contact() < float("inf")
            assert not feed.clock.begun, "what the newest record is stays to be seen"

        async def begun() -> bool:
            return feed.clock.begun

        await within(20, begun)
    finally:
        await feed.stop()
        await holder.close()


async def test_i6_the_time_that_a_machine_slept_has_passed(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that wakes up and cannot reach PostgreSQL: leases are over, and so is what ended meanwhile."""
    feed = PostgresFeed(database, SEALER)
    await feed.start(Busy())
    await feed.stop()
    before, awake = feed.clock.now(), time.clock_gettime
    monkeypatch.setattr(time, "clock_gettime", lambda clock: awake(clock) + 3600 * (clock == time.CLOCK_BOOTTIME))
    assert feed.clock.now() - before >= timedelta(hours=1)
    assert feed.seconds_since_contact() >= 3600
