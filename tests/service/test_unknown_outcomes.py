"""I1, I9: an answer that PostgreSQL gave and nobody heard is neither a success nor a failure, to anyone."""

import asyncio
from contextlib import suppress
from pathlib import Path

import asyncpg
import msgspec
import pytest

from holdfast.domain.chain import Chain, ChainId
from holdfast.domain.verification import verify
from holdfast.errors import BackendUnavailable, OutcomeUnknown
from holdfast.service.manager import SecretsService
from holdfast.stores.postgres.audit import PostgresAuditSink
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.pools import COMMAND_TIMEOUT_S
from holdfast.stores.spool import AuditSpool
from tests.service.test_audit import RECORD, housekeeping, new_chain
from tests.service.test_audit_proof import taken
from tests.support.cable import Cable, cable_to
from tests.support.node import Inside, opened, rows, within
from tests.support.postgres import execute, fetch


async def on_record(dsn: str, operation: str, name: str | None = None) -> int:
    query = "SELECT count(*) FROM secret_access_logs WHERE success AND operation = $1"
    (count,) = (await rows(dsn, f"{query} AND secret_name = coalesce($2, secret_name)", operation, name))[0]
    assert isinstance(count, int)
    return count


async def assert_intact(service: SecretsService) -> None:
    lines, checkpoints, key = await taken(service)
    assert verify(lines, checkpoints, key.signed).problems == []


async def shipped(node: Inside) -> None:
    """Every record has its place: those of the local log, and those that wait behind a sink that failed."""
    house = housekeeping(node, node.parts.audit.spool)
    await house.ship_audit()

    async def chained() -> bool:
        await house.chain_audit()
        await node.parts.trail.aclose()
        return not await PostgresAuditSink(node.database).waiting()

    await within(30, chained)


async def test_i1_i9_a_commit_that_nobody_hears_of_costs_no_record_and_no_chain(
    database_url: str, tmp_path: Path
) -> None:
    async with cable_to(database_url) as cable, opened(cable.dsn, tmp_path) as node:
        for name in ("k", "l"):
            await node.service.set_secret(name, "v")
            await node.service.get_secret(name)
        cable.hold_reply(b"COMMIT", 2)  # the first is the change's own; by the second its record gets its place
        await node.service.set_secret("k", "w")
        await cable.held.wait()
        patience = asyncio.create_task(asyncio.sleep(COMMAND_TIMEOUT_S))
        answers = await asyncio.gather(*(node.service.get_secret(name) for name in ("k", "l") * 5))
        assert not patience.done(), "a wait of one second took one second"
        patience.cancel()
        assert {answer.value for answer in answers} == {"v", "w"}
        cable.mend()
        await node.service.get_secret("k")
        await shipped(node)
        assert await on_record(database_url, "get") == 2 + len(answers) + 1
        assert await on_record(database_url, "set") == 3
        await assert_intact(node.service)


@pytest.mark.parametrize("question", [b"COPY ", b"COMMIT"])
async def test_i1_i9_any_write_of_records_may_go_unheard(database_url: str, tmp_path: Path, question: bytes) -> None:
    async with cable_to(database_url) as cable, opened(cable.dsn, tmp_path) as node:
        await node.service.set_secret("k", "v")
        for round_ in range(1, 4):
            cable.hold_reply(question, round_)
            reads = asyncio.create_task(read_on(node.service, 12))
            writes = asyncio.create_task(written(node.service, 6))
            await reads
            await writes
            cable.mend()
        await node.service.get_secret("k")
        await shipped(node)
        assert await on_record(database_url, "get") == 3 * 12 + 1
        made = await fetch(database_url, "SELECT version FROM secrets_vault")
        assert await on_record(database_url, "set") == made
        await assert_intact(node.service)


async def read_on(service: SecretsService, times: int) -> None:
    for _ in range(times):
        assert (await service.get_secret("k")).value.startswith("v")


async def written(service: SecretsService, times: int) -> None:
    """Whatever becomes of these changes; at least as many as are heard of are made."""
    for number in range(times):
        try:
            await service.set_secret("k", f"v{number}")
        except BackendUnavailable:
            continue


async def held(cable: Cable, database: Database) -> None:
    """A connection that is in the pool and will not answer the next statement."""
    async with database.connection() as connection:
        await connection.execute("SELECT 1")
    cable.hold_reply(b"SELECT 2")


async def test_a_statement_without_an_answer_takes_as_long_as_whoever_waits_for_it(database_url: str) -> None:
    async with cable_to(database_url) as cable:
        database = Database(cable.dsn)
        await database.open()
        await held(cable, database)
        patience = asyncio.create_task(asyncio.sleep(COMMAND_TIMEOUT_S))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2), database.transaction() as connection:
                await connection.execute("SELECT 2")
        async with database.connection() as connection:
            assert await connection.fetchval("SELECT 3") == 3
        assert not patience.done()
        patience.cancel()
        await database.close()


async def test_a_cancellation_while_a_statement_has_no_answer_is_a_cancellation(database_url: str) -> None:
    async with cable_to(database_url) as cable:
        database = Database(cable.dsn)
        await database.open()
        await held(cable, database)

        async def ask() -> None:
            async with database.transaction() as connection:
                await connection.execute("SELECT 2")

        asking = asyncio.create_task(ask())
        await cable.held.wait()
        patience = asyncio.create_task(asyncio.sleep(COMMAND_TIMEOUT_S))
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert asking.cancelled()
        assert not patience.done()
        patience.cancel()
        await database.close()


async def test_i4_a_commit_without_an_answer_is_unknown_whatever_becomes_of_its_connection(database_url: str) -> None:
    await execute(database_url, "CREATE TABLE made (n int)")
    async with cable_to(database_url) as cable:
        database = Database(cable.dsn)
        await database.open()
        cable.hold_reply(b"COMMIT")
        with pytest.raises(OutcomeUnknown):
            async with database.transaction() as connection:
                await connection.execute("INSERT INTO made VALUES (1)")
        await database.close()
    assert await fetch(database_url, "SELECT count(*) FROM made") == 1


async def test_a_commit_that_the_server_turned_into_a_rollback_is_no_success(database_url: str) -> None:
    database = Database(database_url)
    await database.open()

    async def change() -> None:
        async with database.transaction() as connection:
            with suppress(asyncpg.DivisionByZeroError):
                await connection.execute("SELECT 1 / 0")

    with pytest.raises(BackendUnavailable, match="rolled the change back"):
        await change()
    await database.close()


SWALLOWING = """
CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER swallow BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION swallow()
"""


async def test_i1_records_that_the_database_swallows_are_kept_here_until_it_takes_them(
    database_url: str, tmp_path: Path
) -> None:
    async with opened(database_url, tmp_path) as node:
        await node.service.set_secret("k", "v")
        await node.parts.trail.aclose()
        await execute(database_url, SWALLOWING.format(table="secret_access_logs"))
        await node.service.get_secret("k")
        assert node.parts.trail.degraded
        with pytest.raises(BackendUnavailable, match="did not store every audit record"):
            await shipped(node)
        assert "1 file(s) of records wait here" in await told_of_records(node.service)
        await execute(database_url, "DROP TRIGGER swallow ON secret_access_logs")
        await shipped(node)
        assert "file(s)" not in await told_of_records(node.service)
        assert await on_record(database_url, "get") == 1
        await assert_intact(node.service)


async def told_of_records(service: SecretsService) -> str:
    (told,) = (each.detail for each in (await service.get_secret_health()).backends if each.name == "audit")
    return told


async def test_i1_a_change_whose_record_the_database_swallows_is_not_made(inside: Inside, database_url: str) -> None:
    await execute(database_url, SWALLOWING.format(table="audit_outbox"))
    with pytest.raises(BackendUnavailable, match="did not store every audit record"):
        await inside.service.set_secret("k", "v")
    assert await fetch(database_url, "SELECT count(*) FROM secrets_vault") == 0


async def test_i1_commits_are_durable_whatever_the_database_says_of_them(database_url: str) -> None:
    name = database_url.rpartition("/")[2].partition("?")[0]
    await execute(database_url, f"ALTER DATABASE {name} SET synchronous_commit = off")
    database = Database(database_url)
    await database.open()
    async with database.connection() as connection:
        assert await connection.fetchval("SHOW synchronous_commit") == "on"
    await database.close()


async def test_i9_a_record_whose_place_another_one_holds_gets_a_new_place_and_is_an_alarm(
    inside: Inside, database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chain: Chain = new_chain()
    other = Chain(ChainId(chain.id.writer, chain.id.boot))
    entries = chain.extend([RECORD] * 4)
    first = other.extend([RECORD])
    other.advance(first)
    strange = other.extend([msgspec.structs.replace(RECORD, user_id="mallory")])
    await PostgresAuditSink(inside.database).write([*first, *strange])
    spool = AuditSpool(tmp_path / "spool")
    await spool.write(entries)
    await housekeeping(inside, spool).ship_audit()
    await inside.parts.trail.aclose()
    assert "ALARM" in caplog.text
    found = await rows(database_url, "SELECT user_id, boot FROM secret_access_logs WHERE secret_name = 'k' ORDER BY id")
    assert [user for user, _ in found] == ["alice", "mallory", "alice", "alice", "alice"]
    assert {boot for _, boot in found[2:]}.isdisjoint({chain.id.boot})


async def test_i1_a_repeated_answer_is_on_record_like_the_first(inside: Inside, database_url: str) -> None:
    first = await inside.service.set_secret("k", "v", idempotency_key="once")
    assert await inside.service.set_secret("k", "v", idempotency_key="once") == first
    assert await on_record(database_url, "set") == 2
