"""PgBouncer between nodes and PostgreSQL, which lends another session to each transaction."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from holdfast.errors import StartupError
from holdfast.stores.postgres.backup import PostgresSnapshots
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.hosts import writable_hosts
from holdfast.stores.postgres.migrations import migrate
from holdfast.stores.postgres.pools import LANES, READ
from tests.support.folders import short_folder
from tests.support.node import service_on
from tests.support.pgbouncer import running_pgbouncer

pytestmark = pytest.mark.services("pgbouncer")

SESSIONS = 6
"""Of PostgreSQL, that the pooler lends in turn."""

BENT = "SET search_path = pg_temp; SET synchronous_commit = off; SET lock_timeout = 0; SET statement_timeout = 0"
"""What another client of the pooler may leave behind in a session."""

SETTINGS = (
    "SELECT current_setting('search_path'), current_setting('synchronous_commit'), current_setting('lock_timeout')"
)


async def _bend(dsn: str, bent: str = BENT) -> None:
    """Leave something behind in every session."""
    connections = [await asyncpg.connect(dsn, statement_cache_size=0) for _ in range(SESSIONS)]
    await asyncio.gather(
        *(each.execute("BEGIN; SELECT pg_sleep(0.2)") for each in connections)
    )  # none shares a session
    await asyncio.gather(*(each.execute(f"COMMIT; {bent}") for each in connections))
    await asyncio.gather(*(each.close() for each in connections))


@pytest.fixture
async def pooled(database_url: str) -> AsyncIterator[str]:
    with short_folder() as folder, running_pgbouncer(folder, database_url, "transaction") as dsn:
        await _bend(dsn)
        yield dsn


async def test_every_transaction_is_settled_whatever_its_session_was_left_with(pooled: str) -> None:
    database = Database(pooled)
    await database.open()
    try:
        assert database.pooled
        sessions = set()
        for lane in [*LANES, *[READ] * SESSIONS]:
            async with database.connection(lane) as connection:
                path, commit, patience = await connection.fetchrow(SETTINGS)
                assert (path, commit) == ("public", "on")
                assert patience in {lane.lock_timeout, f"{round(lane.lock_s)}s"}
                sessions.add(await connection.fetchval("SELECT pg_backend_pid()"))
        assert len(sessions) > 1
    finally:
        await database.close()


async def test_nodes_behind_a_pooler_work_and_see_what_the_others_change(pooled: str, tmp_path: Path) -> None:
    async with (
        service_on(pooled, tmp_path / "one", background=True) as one,
        service_on(pooled, tmp_path / "two", background=True) as two,
    ):
        for version in range(1, 4):
            await one.set_secret("db", f"value-{version}")
            assert (await two.get_secret("db")).value == f"value-{version}"
        assert [each.version for each in await two.list_secret_versions("db")][-1] == 3
        await two.delete_secret("db")
        assert [each.name for each in await one.list_secrets()] == []
        health = await one.get_secret_health()
        assert {each.name: each.healthy for each in health.backends}["postgresql"]


async def test_its_hosts_are_examined_though_others_left_their_statements_there(pooled: str) -> None:
    """Every process of asyncpg's counts the names of its statements from 1 on."""
    counted = asyncpg.connection._uid
    await _bend(pooled, "; ".join(f"PREPARE __asyncpg_stmt_{counted + each:x}__ AS SELECT 1" for each in range(1, 99)))
    assert len(await writable_hosts(pooled)) == 1


async def test_an_empty_database_is_migrated_through_a_pooler(empty: str) -> None:
    with short_folder() as folder, running_pgbouncer(folder, empty, "transaction") as dsn:
        database = Database(dsn)
        await database.open()
        try:
            await migrate(database)
            async with database.connection() as connection:
                assert await connection.fetchval("SELECT count(*) FROM secrets_vault") == 0
        finally:
            await database.close()


async def test_a_pooler_of_single_statements_is_refused_with_what_to_do(database_url: str) -> None:
    with (
        short_folder() as folder,
        running_pgbouncer(folder, database_url, "statement") as dsn,
        pytest.raises(StartupError, match="Set pool_mode to transaction or session there"),
    ):
        await Database(dsn).open()


async def test_without_a_pooler_nothing_changes(database_url: str) -> None:
    database = Database(database_url)
    await database.open()
    assert not database.pooled
    await database.close()


async def test_a_backup_is_refused_with_what_to_do(pooled: str) -> None:
    database = Database(pooled)
    await database.open()
    try:
        with pytest.raises(StartupError, match="let DATABASE_URL name PostgreSQL's own port"):
            async with PostgresSnapshots(database).snapshot():
                pass
    finally:
        await database.close()
