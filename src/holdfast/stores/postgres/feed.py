"""LISTEN: what other nodes committed, told at once; and PostgreSQL's clock."""

import asyncio
import logging
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg

from holdfast.domain.names import SecretName
from holdfast.errors import BackendUnavailable
from holdfast.ports import FeedListener
from holdfast.resilience.clock import SystemClock
from holdfast.resilience.supervision import Supervisor, note_failure, note_success
from holdfast.resilience.tasks import stopped
from holdfast.stores.postgres.database import Connection, Database
from holdfast.stores.postgres.queries import load

_log: Final = logging.getLogger(__name__)

CHANNEL: Final = "holdfast"
_KEY: Final = "key:"
_FOLLOWING: Final = "Following PostgreSQL"
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

HEARTBEAT_S: Final = 0.5
"""How often the listening connection is asked for a sign of life."""

LIVE_WITHIN_S: Final = 1.0
"""Without one for this long, a commit may have been missed: caches are then checked against the database."""

FIRST_CONTACT_S: Final = 10.0
"""How long a start waits for the first: before it this node knows no grants, and answers nobody."""

SILENT_AFTER_S: Final = 2.0
"""Without one for this long, and with a question unanswered, PostgreSQL is taken for silent and not waited for."""


class PostgresFeed:
    """Implements ``ports.Feed`` on one connection that listens all the time, and ``now()`` by the database's clock."""

    def __init__(self, database: Database, supervisor: Supervisor | None = None) -> None:
        self._database, self._supervisor = database, supervisor or Supervisor()
        self._contact = self._beaten_at = float("-inf")
        self._listening = self._unanswered = False
        self._told: tuple[datetime, float] | None = None
        self._mark: int | None = None
        self._task: asyncio.Task[None] | None = None

    def live(self) -> bool:
        """See the port."""
        return self._listening and self.seconds_since_contact() < LIVE_WITHIN_S

    def answering(self) -> bool:
        """Whether PostgreSQL gives signs of life."""
        return not self._unanswered or self.seconds_since_contact() < SILENT_AFTER_S

    def seconds_since_contact(self) -> float:
        """See the port."""
        return _elapsed_s() - self._contact

    def now(self) -> datetime:
        """The present moment by the database's clock, as of the last contact and what has passed since.

        What has passed is measured, so that no step of the machine's clock makes an expired grant valid again.
        """
        if self._told is None:
            return datetime.now(UTC)
        moment, told_at = self._told
        return moment + timedelta(seconds=_elapsed_s() - told_at)

    async def start(self, listener: FeedListener) -> None:
        """Listen from now on; returns once the first resynchronisation is through."""
        self._database.answering, self._database.mark = self.answering, lambda: self._mark
        started = asyncio.Event()
        feed = self._supervisor.run("feed", lambda: self._run(listener, started))
        self._task = asyncio.create_task(feed, name="feed")
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_CONTACT_S):
                await started.wait()

    async def stop(self) -> None:
        """Stop listening."""
        if self._task is not None:
            await stopped(self._task)

    async def _run(self, listener: FeedListener, started: asyncio.Event) -> None:
        while True:
            try:
                async with self._database.connection(probing=True) as connection:
                    await self._follow(connection, listener, started)
            except BackendUnavailable as error:
                _log.warning("The feed lost PostgreSQL: %s", error)
                self._unanswered = True
                await self._database.renew()
            except Exception as error:  # whoever may write to the database may also send us nonsense: begin anew
                note_failure(_FOLLOWING, error)
            finally:
                self._listening, self._mark = False, None
            await asyncio.sleep(HEARTBEAT_S)

    async def _follow(self, connection: Connection, listener: FeedListener, started: asyncio.Event) -> None:
        inbox: asyncio.Queue[str] = asyncio.Queue()

        def receive(_connection: Connection, _pid: int, _channel: str, payload: str) -> None:
            inbox.put_nowait(payload)

        await connection.add_listener(CHANNEL, receive)
        self._mark = await connection.fetchval(load("feed")["mark"])
        self._unanswered = False
        try:
            await listener.resynchronise()
            await self._beat(connection, inbox, listener)
            self._listening = True
            started.set()
            while True:
                await self._next(connection, inbox, listener)
        finally:
            if not connection.is_closed():
                with suppress(asyncpg.InterfaceError, asyncpg.PostgresError, OSError, TimeoutError):  # the end of it
                    await connection.remove_listener(CHANNEL, receive)

    async def _next(self, connection: Connection, inbox: asyncio.Queue[str], listener: FeedListener) -> None:
        """Deliver the next announcement, or ask for a sign of life when that is due, however busy the channel is."""
        due_in_s = self._beaten_at + HEARTBEAT_S - _elapsed_s()
        if due_in_s <= 0:
            await self._beat(connection, inbox, listener)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(due_in_s):
                payload = await inbox.get()
            if payload.startswith(_KEY):
                self._beaten_at = float("-inf")  # which one seals, the next beat says: anybody may announce anything
            else:
                await _deliver(payload, listener)

    async def _beat(self, connection: Connection, inbox: asyncio.Queue[str], listener: FeedListener) -> None:
        """See that PostgreSQL answers, what time it is there, and that rules, identities and key are those known here.

        Its answer comes after all that was announced before: only when that is delivered was there contact. Nothing
        older than that moment is acted on.
        """
        asked_at = _elapsed_s()
        try:
            row = await connection.fetchrow(load("feed")["beat"], timeout=LIVE_WITHIN_S)
        except TimeoutError:
            self._unanswered = True  # said at once: a dead connection is slow to give back
            raise
        self._told = (row["now"], _elapsed_s())
        for _ in range(inbox.qsize()):
            await _deliver(inbox.get_nowait(), listener)
        if row["timeline"] is not None:
            await listener.timeline_reached(row["timeline"], row["revision"])
        await listener.rules_reached(row["rules"])
        await listener.identities_reached(row["identities"])
        if row["sealing"] is not None:
            await listener.key_activated(row["activation"], row["sealing"])
        self._contact = self._beaten_at = asked_at
        note_success(_FOLLOWING)


async def _deliver(payload: str, listener: FeedListener) -> None:
    kind, _, rest = payload.partition(":")
    if kind == "secret":
        name, _, revision = rest.rpartition(":")
        await listener.secret_changed(SecretName(name), int(revision))
    elif kind == "rules":
        epoch, _, subject = rest.partition(":")
        await listener.rules_changed(int(epoch), subject or None)
    elif kind == "identities":
        epoch, _, name = rest.partition(":")
        await listener.identity_changed(int(epoch), name)


def _elapsed_s() -> float:
    """Seconds that have passed, those that the machine slept among them where it can tell."""
    return time.clock_gettime(_CLOCK)


class DatabaseClock(SystemClock):
    """The machine's clock for durations; for what is compared with stored times, PostgreSQL's."""

    def __init__(self, feed: PostgresFeed) -> None:
        self._feed = feed

    def now(self) -> datetime:
        """The present moment in UTC."""
        return self._feed.now()
