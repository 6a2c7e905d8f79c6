"""I9: every record has a place in a chain, whatever happens to sinks, changes and processes."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.audit import AuditRecord, record_of
from holdfast.domain.chain import GENESIS, Chain, ChainId, Entry, entry_of, follows, parse_line
from holdfast.domain.policy import Caller
from holdfast.errors import AuditUnavailable, OutcomeUnknown, SecretNotFound
from holdfast.resilience.clock import SystemClock
from holdfast.service.audit.sequencer import AuditTrail
from holdfast.stores.postgres.audit import PostgresAuditSink
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.migrations import migrations
from holdfast.stores.postgres.trail import record_in
from tests.support.node import FailingSink, Inside, audit, opened, service_on, within
from tests.support.postgres import execute, fetch

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TEXT = st.none() | st.text(st.characters(exclude_categories=["C", "Z"]), max_size=40)
RECORDS = st.builds(
    AuditRecord,
    timestamp=st.integers(0, 1_790_000_000_000_000).map(lambda micros: EPOCH + timedelta(microseconds=micros)),
    user_id=st.text("abc-:", min_size=1),
    operation=st.sampled_from(["get", "set", "delete"]),
    name=st.text("abc-", min_size=1, max_size=127),
    success=st.booleans(),
    error_message=TEXT,
    rule=TEXT,
    version=st.none() | st.integers(1, 2**62),
    stale=st.booleans(),
    ip_address=TEXT,
    user_agent=TEXT,
    detail=TEXT,
)


async def stored(dsn: str) -> dict[ChainId, list[Entry]]:
    """Every chain in the database, in order."""
    connection = await asyncpg.connect(dsn)
    try:
        found = await connection.fetch("SELECT * FROM secret_access_logs ORDER BY writer, boot, seq")
    finally:
        await connection.close()
    chains: dict[ChainId, list[Entry]] = {}
    for row in found:
        chain = ChainId(row["writer"], row["boot"])
        chains.setdefault(chain, []).append(entry_of(chain, row["seq"], record_in(row), row["hash"]))
    return chains


def check(entries: Sequence[Entry]) -> None:
    """Each follows the one before, from the first on, which opens the chain."""
    previous = GENESIS
    for number, entry in enumerate(entries, 1):
        assert entry.seq == number
        assert follows(previous, entry)
        previous = entry.hash
    assert entries[0].record.operation == "audit.open"


@given(st.lists(RECORDS, min_size=1, max_size=5))
def test_i9_a_line_holds_all_of_a_record(records: list[AuditRecord]) -> None:
    chain = Chain(ChainId(UUID(int=7), 12))
    entries = chain.extend(records)
    assert [parse_line(entry.line()) for entry in entries] == entries
    chain.advance(entries)
    assert (chain.seq, chain.hash) == (len(records), entries[-1].hash)


async def test_i9_the_database_gives_back_the_very_text_that_was_hashed(inside: Inside, database_url: str) -> None:
    samples: list[AuditRecord] = []

    @given(RECORDS)
    def collect(record: AuditRecord) -> None:
        samples.append(record)

    collect()
    chain = Chain(ChainId(UUID(int=7), 12))
    entries = chain.extend(samples)
    await PostgresAuditSink(inside.database).write(entries)
    assert (await stored(database_url))[chain.id] == entries


async def test_i9_reads_changes_and_refusals_form_one_chain_per_process(database_url: str, tmp_path: Path) -> None:
    for _ in range(2):
        async with service_on(database_url, tmp_path) as service:
            await asyncio.gather(*(service.set_secret(f"k{n}", "v") for n in range(20)))
            await asyncio.gather(*(service.get_secret(f"k{n}") for n in range(20)))
            with pytest.raises(SecretNotFound):
                await service.get_secret("absent")
    chains = await stored(database_url)
    assert len(chains) == 2
    assert len({chain.writer for chain in chains}) == 1, "a restarted process goes on under its identity"
    for entries in chains.values():
        check(entries)
        assert len(entries) == 42
    (first, second) = (chains[chain] for chain in sorted(chains))
    assert second[0].record.detail == f"after boot {first[0].chain.boot}, seq 42, hash {first[-1].hash.hex()}"
    assert await fetch(database_url, "SELECT count(*) FROM audit_outbox") == 0
    assert await fetch(database_url, "SELECT count(*) FROM audit_chains") == 2


async def test_processes_that_share_a_data_folder_are_different_writers(database_url: str, tmp_path: Path) -> None:
    async with service_on(database_url, tmp_path) as one, service_on(database_url, tmp_path) as other:
        await one.set_secret("k", "v")
        await asyncio.gather(one.get_secret("k"), other.get_secret("k"))
    assert await fetch(database_url, "SELECT count(DISTINCT writer) FROM audit_chains") == 2


async def test_i9_an_outage_of_postgresql_leaves_no_gap(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as inside:
        trail = inside.parts.trail
        await inside.service.set_secret("k", "v")
        await inside.service.get_secret("k")
        archive, trail._first = trail._first, FailingSink()
        await inside.service.get_secret("k")
        await inside.service.get_secret("k")
        trail._first, trail._first_failed_at = archive, None
        await inside.service.get_secret("k")
    async with service_on(database_url, tmp_path, background=True):
        await within(10, lambda: _count(database_url, 6))
    (entries,) = (await stored(database_url)).values()
    check(entries)


async def test_i9_a_chain_whose_end_is_not_known_is_given_up(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as inside:
        trail = inside.parts.trail
        await inside.service.set_secret("k", "v")
        await inside.service.get_secret("k")
        archive, local = trail._first, trail._local
        trail._first, trail._local = FailingSink(), FailingSink()
        with pytest.raises(AuditUnavailable):
            await inside.service.get_secret("k")
        trail._first, trail._local, trail._first_failed_at = archive, local, None
        await inside.service.get_secret("k")
    chains = await stored(database_url)
    assert sorted(len(entries) for entries in chains.values()) == [2, 3]
    for entries in chains.values():
        check(entries)


class _Unconfirmed(PostgresAuditSink):
    """Stores everything and confirms nothing."""

    async def take_in(self, extend: Callable[[Sequence[AuditRecord]], Sequence[Entry]], limit: int) -> Sequence[Entry]:
        await super().take_in(extend, limit)
        raise OutcomeUnknown("not confirmed")


async def test_i9_a_change_is_on_record_once_even_if_the_commit_of_its_place_was_not_confirmed(
    database_url: str, tmp_path: Path
) -> None:
    async with opened(database_url, tmp_path) as inside:
        archive, inside.parts.trail._first = inside.parts.trail._first, _Unconfirmed(inside.database)
        await inside.service.set_secret("k", "v")
        await inside.parts.trail.aclose()
        inside.parts.trail._first, inside.parts.trail._first_failed_at = archive, None
        await inside.service.set_secret("k", "w")
    assert [row[1] for row in await audit(database_url, "k")] == ["set", "set"]
    for entries in (await stored(database_url)).values():
        check(entries)


async def test_a_record_without_a_place_is_found_and_gets_one(inside: Inside, database_url: str) -> None:
    inside.database.recorded = lambda: None  # the process dies right after the commit
    await inside.service.set_secret("k", "v")
    assert await fetch(database_url, "SELECT count(*) FROM secret_access_logs") == 0
    assert [record.operation for record in await inside.service.get_access_history("k")] == ["set"]
    async with opened(database_url, inside.parts.settings.data_dir / "other") as other:
        other.parts.trail.take_in()
    assert await fetch(database_url, "SELECT count(*) FROM audit_outbox") == 0
    history = await inside.service.get_access_history("k")
    assert [record.operation for record in history] == ["history", "set"]


async def test_a_change_that_is_rolled_back_leaves_no_record_and_no_gap(inside: Inside, database_url: str) -> None:
    await inside.service.set_secret("k", "v")
    with suppress(RuntimeError):
        async with inside.parts.ledger.transaction() as tx:
            await tx.record(record_of(Caller("alice"), "set", "k", datetime.now(UTC)))
            raise RuntimeError
    await inside.service.set_secret("k", "w")
    await inside.parts.trail.aclose()
    (entries,) = (await stored(database_url)).values()
    check(entries)
    assert [entry.record.operation for entry in entries] == ["audit.open", "set", "set"]


async def test_records_made_before_there_were_chains_get_a_place(database_url: str) -> None:
    before = [migration.sql for migration in migrations() if migration.version < 4]
    await execute(
        database_url,
        "DROP SCHEMA public CASCADE",
        "CREATE SCHEMA public",
        *before,
        "INSERT INTO secret_access_logs (record_id, secret_name, user_id, operation, success, version, timestamp) "
        "SELECT gen_random_uuid(), 'k', 'alice', 'get', true, n, '2025-01-31T10:00:00.5Z' "
        "FROM generate_series(1, 700) n",
        next(migration.sql for migration in migrations() if migration.version == 4),
    )
    assert await fetch(database_url, "SELECT count(*) FROM audit_outbox") == 700
    database = Database(database_url)
    await database.open()
    trail = AuditTrail(uuid4(), PostgresAuditSink(database), FailingSink(), SystemClock())
    trail.take_in()
    await trail.aclose()
    await database.close()
    (entries,) = (await stored(database_url)).values()
    check(entries)
    assert entries[700].record == AuditRecord(
        timestamp=datetime(2025, 1, 31, 10, 0, 0, 500_000, UTC),
        user_id="alice",
        operation="get",
        name="k",
        success=True,
        version=700,
    )


async def test_a_chain_that_was_idle_for_long_gets_no_more_records(inside: Inside, database_url: str) -> None:
    await inside.service.set_secret("k", "v")
    await inside.service.get_secret("k")
    inside.parts.trail._used_at -= timedelta(hours=1, seconds=1)
    await inside.service.get_secret("k")
    chains = await stored(database_url)
    assert [len(chains[chain]) for chain in sorted(chains)] == [3, 2]
    for entries in chains.values():
        check(entries)


async def _count(dsn: str, number: int) -> bool:
    return await fetch(dsn, "SELECT count(*) FROM secret_access_logs") == number
