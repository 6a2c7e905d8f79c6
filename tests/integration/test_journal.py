"""The outbox on a real PostgreSQL: order, leases, fences."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from holdfast.domain.intent import Intent, IntentKind, IntentState
from holdfast.domain.names import SecretName, new_version_id
from holdfast.domain.secret import Attributes, SecretSettings, SecretVersion, State
from holdfast.errors import BackendUnavailable
from holdfast.ports import Head, StoredVersion
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.journal import PostgresJournal
from holdfast.stores.postgres.ledger import PostgresLedger
from holdfast.stores.postgres.queries import load

LEASE = timedelta(minutes=1)
NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Outbox:
    """A journal, and secrets to write intents for."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.journal = PostgresJournal(database)
        self.ledger = PostgresLedger(database)

    async def create(self, name: str, attributes: Attributes | None = None) -> tuple[Head, SecretVersion]:
        version = _version(name, 1, attributes or Attributes())
        head = Head(
            incarnation=uuid4(),
            name=SecretName(name),
            display_name=name.upper(),
            state=State.ACTIVE,
            revision=0,
            version=1,
            version_id=version.version_id,
            settings=SecretSettings(),
            attestation="",
            verified_at=NOW,
        )
        async with self.ledger.transaction() as tx:
            return await tx.create(head, StoredVersion(version=version, sealed=None)), version

    async def add(self, head: Head, kind: IntentKind = IntentKind.SET, version: SecretVersion | None = None) -> UUID:
        intent_id = uuid4()
        async with self.ledger.transaction() as tx:
            await tx.add_intent(intent_id, head, kind, version)
        return intent_id

    async def claim(self, limit: int = 10, lease: timedelta = LEASE, name: str | None = None) -> list[Intent]:
        return await self.journal.claim(limit=limit, lease=lease, name=SecretName(name) if name else None)


@pytest.fixture
async def outbox(database_url: str) -> AsyncIterator[Outbox]:
    database = Database(database_url, max_connections=8)
    await database.open()
    yield Outbox(database)
    await database.close()


async def test_a_claim_tells_all_there_is_to_do(outbox: Outbox) -> None:
    attributes = Attributes(enabled=False, expires_at=NOW, content_type="text/plain", tags={"a": "b"})
    head, version = await outbox.create("one", attributes)
    intent_id = await outbox.add(head, version=version)
    (intent,) = await outbox.claim()
    assert (intent.id, intent.incarnation, intent.name, intent.display_name) == (
        intent_id,
        head.incarnation,
        "one",
        "ONE",
    )
    assert (intent.kind, intent.version, intent.attributes) == (IntentKind.SET, 1, attributes)
    assert (intent.state, intent.attempts, intent.fence) == (IntentState.OPEN, 1, 1)


async def test_i2_only_the_lowest_open_intent_of_a_secret_is_handed_out(outbox: Outbox) -> None:
    head, _ = await outbox.create("one")
    other, _ = await outbox.create("two")
    ids = [await outbox.add(head, IntentKind.DELETE) for _ in range(3)]
    other_id = await outbox.add(other, IntentKind.DELETE)
    claimed = await outbox.claim()
    assert [intent.id for intent in claimed] == [ids[0], other_id]
    assert await outbox.claim() == []
    assert await outbox.journal.complete(claimed[0])
    assert [intent.id for intent in await outbox.claim(name="one")] == [ids[1]]


async def test_two_workers_never_hold_the_same_secret(outbox: Outbox) -> None:
    heads = [(await outbox.create(f"secret-{number}"))[0] for number in range(12)]
    for head in heads * 3:
        await outbox.add(head, IntentKind.DELETE)
    held: set[str] = set()
    settled: list[tuple[str, int]] = []

    async def work() -> None:
        while True:
            claimed = await outbox.claim(limit=3)
            if not claimed and len(settled) == 36:
                return
            for intent in claimed:
                assert intent.name not in held
                held.add(intent.name)
            await asyncio.sleep(0)
            for intent in claimed:
                held.remove(intent.name)
                settled.append((intent.name, intent.sequence))
                assert await outbox.journal.complete(intent)

    await asyncio.gather(*(work() for _ in range(6)))
    for head in heads:
        order = [sequence for name, sequence in settled if name == head.name]
        assert (len(order), order) == (3, sorted(order))


async def test_a_lease_that_ran_out_passes_to_the_next_and_its_late_holder_changes_nothing(outbox: Outbox) -> None:
    head, _ = await outbox.create("one")
    await outbox.add(head, IntentKind.DELETE)
    (late,) = await outbox.claim(lease=timedelta(0))
    (holder,) = await outbox.claim()
    assert (holder.fence, holder.attempts) == (2, 2)
    assert not await outbox.journal.complete(late)
    assert not await outbox.journal.release(late, "late", retry_in=timedelta(0))
    assert not await outbox.journal.park(late, "late", retry_in=timedelta(hours=1))
    assert await outbox.journal.complete(holder)
    assert not await outbox.journal.complete(holder)


async def test_a_released_intent_is_due_after_its_pause(outbox: Outbox) -> None:
    head, _ = await outbox.create("one")
    await outbox.add(head, IntentKind.DELETE)
    (first,) = await outbox.claim()
    assert await outbox.journal.release(first, "away", retry_in=timedelta(hours=1))
    assert await outbox.claim() == []
    async with outbox.database.connection() as connection:
        await connection.execute("UPDATE secret_intents SET next_attempt_at = now()")
    (again,) = await outbox.claim()
    assert (again.last_error, again.attempts) == ("away", 2)


async def test_a_parked_intent_holds_up_its_own_secret_until_a_person_decides(outbox: Outbox) -> None:
    head, _ = await outbox.create("one")
    poison = await outbox.add(head, IntentKind.DELETE)
    await outbox.add(head, IntentKind.RECOVER)
    (intent,) = await outbox.claim()
    assert await outbox.journal.park(intent, "refused", retry_in=timedelta(hours=1))
    assert await outbox.claim() == []
    assert [(parked.id, parked.last_error) for parked in await outbox.journal.parked()] == [(poison, "refused")]
    assert await outbox.journal.unpark() == 1
    (intent,) = await outbox.claim()
    assert intent.id == poison
    assert await outbox.journal.park(intent, "refused", retry_in=timedelta(hours=1))
    assert await outbox.journal.discard(head.name) == 2
    assert await outbox.journal.is_settled(poison)
    assert await outbox.claim() == []


async def test_completion_stores_the_vault_s_id_where_the_version_is_by_now(outbox: Outbox) -> None:
    head, version = await outbox.create("one")
    await outbox.add(head, version=version)
    (first,) = await outbox.claim()
    newer = _version("one", 2, Attributes())
    async with outbox.ledger.transaction() as tx:
        locked = await tx.lock(head.name)
        assert locked is not None
        completing = asyncio.create_task(outbox.journal.complete(first, vault_version_id="a" * 32))
        await asyncio.sleep(0.05)  # long enough to be waiting for the row that moves to the history
        await tx.append(_moved(locked, newer), StoredVersion(version=newer, sealed=None))
        await tx.add_intent(uuid4(), locked, IntentKind.SET, newer)
    assert await completing
    (second,) = await outbox.claim()
    assert await outbox.journal.complete(second, vault_version_id="b" * 32, vault_updated_at=NOW)
    assert [v.vault_version_id for v in await outbox.ledger.versions(head.name)] == ["a" * 32, "b" * 32]
    current = await outbox.ledger.head(head.name)
    assert current is not None
    assert (current.vault_updated_at, current.open_intents) == (NOW, 0)
    assert current.verified_at > head.verified_at


async def test_the_journal_knows_what_it_wrote(outbox: Outbox) -> None:
    head, version = await outbox.create("one")
    first = await outbox.add(head, version=version)
    second = await outbox.add(head, IntentKind.UPDATE, version)
    found = await outbox.journal.find({first, uuid4()})
    assert {intent.id for intent in found.values()} == {first}
    assert await outbox.journal.find(()) == {}
    assert await outbox.journal.last_written(head.incarnation, 1) == second
    assert await outbox.journal.last_written(head.incarnation, 2) is None
    assert await outbox.journal.purged_at(head.name) is None
    assert not await outbox.journal.hands_off(head.name)
    await outbox.add(head, IntentKind.PURGE)
    assert await outbox.journal.hands_off(head.name)
    assert await outbox.journal.purged_at(head.name) is not None
    status = await outbox.journal.status()
    assert (status.open, status.parked) == (3, 0)
    assert status.oldest_open_at is not None


async def test_a_purge_makes_earlier_intents_void_even_under_a_lease(outbox: Outbox) -> None:
    head, _ = await outbox.create("one")
    await outbox.add(head, IntentKind.DELETE)
    (held,) = await outbox.claim()
    async with outbox.ledger.transaction() as tx:
        purge = uuid4()
        await tx.add_intent(purge, head, IntentKind.PURGE)
        await tx.supersede_intents(head, purge)
    assert not await outbox.journal.complete(held)
    assert await outbox.journal.is_settled(held.id)
    assert [intent.kind for intent in await outbox.claim()] == [IntentKind.PURGE]


async def test_an_unreachable_database_is_a_backend_that_is_away() -> None:
    with pytest.raises(BackendUnavailable):
        await PostgresJournal(Database(pool=_Refusing())).status()


class _Refusing:
    """A pool whose server is gone."""

    def get_max_size(self) -> int:
        return 1

    def acquire(self, **_: object) -> object:
        raise ConnectionRefusedError


def _version(name: str, number: int, attributes: Attributes) -> SecretVersion:
    return SecretVersion(
        name=SecretName(name),
        version=number,
        version_id=new_version_id(),
        attributes=attributes,
        created_at=NOW,
        updated_at=NOW,
    )


def _moved(head: Head, version: SecretVersion) -> Head:
    return replace(head, version=version.version, version_id=version.version_id, vault_version_id=None)


async def test_a_claim_does_not_walk_over_what_was_settled_before(outbox: Outbox) -> None:
    head, _ = await outbox.create("one")
    async with outbox.database.connection() as connection:
        for state, count in (("done", 30_000), ("open", 3_000)):
            await connection.execute(
                "INSERT INTO secret_intents (id, incarnation, secret_name, display_name, kind, state) "
                f"SELECT gen_random_uuid(), '{head.incarnation}', 's-' || n, 's', 'delete', '{state}' "
                f"FROM generate_series(1, {count}) n"
            )
        await connection.execute("ANALYZE secret_intents")
        plan = await connection.fetch("EXPLAIN ANALYZE " + load("journal")["claim"], 1, LEASE, None, [])
    text = "\n".join(line[0] for line in plan)
    assert "Index Scan using secret_intents_due" in text
    assert sum(map(int, re.findall(r"Rows Removed by Filter: (\d+)", text))) < 10


async def test_a_head_does_not_walk_over_its_history(outbox: Outbox) -> None:
    head, _ = await outbox.create("one")
    async with outbox.database.connection() as connection:
        await connection.execute(f"UPDATE secrets_vault SET version = 3000 WHERE incarnation = '{head.incarnation}'")
        await connection.execute(
            "INSERT INTO secret_versions (incarnation, version, version_id, enabled, created_at, updated_at) "
            f"SELECT '{head.incarnation}', n, md5(n::text), true, now(), now() FROM generate_series(1, 2999) n"
        )
        await connection.execute("ANALYZE secret_versions")
        plan = await connection.fetch("EXPLAIN ANALYZE " + load("ledger")["current"], head.name)
    assert "Rows Removed by Filter" not in "\n".join(line[0] for line in plan)
