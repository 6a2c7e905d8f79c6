"""Connections in lanes: no kind of work takes those of another, in a pool of our own and in a given one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import asyncpg
import pytest

from holdfast.errors import BackendUnavailable
from holdfast.stores.postgres.database import STANDS_STILL_S, Database
from holdfast.stores.postgres.pools import AUDIT, FEED, LANES, POOL, READ, WORK, WRITE, Lane

FEW = 6
"""Of an application's pool: fewer than the lanes would like to have."""


async def _as_it_is(_connection: object) -> None:
    """A pool that resets nothing."""


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    settings = {"lock_timeout": "7s"}
    async with asyncpg.create_pool(
        database_url, min_size=0, max_size=FEW, server_settings=settings, reset=_as_it_is
    ) as pool:
        yield pool


@pytest.fixture(params=["own", "given"])
async def database(request: pytest.FixtureRequest, database_url: str, pool: asyncpg.Pool) -> AsyncIterator[Database]:
    database = Database(database_url) if request.param == "own" else Database(pool=pool)
    await database.open()
    yield database
    await database.close()


async def test_each_lane_waits_for_locks_as_long_as_it_should(database: Database) -> None:
    for lane in LANES:
        async with database.connection(lane) as connection:
            milliseconds = "SELECT setting::integer FROM pg_settings WHERE name = 'lock_timeout'"
            assert await connection.fetchval(milliseconds) == lane.lock_s * 1000


@pytest.mark.parametrize("busy", [READ, WRITE, WORK], ids=lambda lane: lane.name)
async def test_one_lane_takes_no_connection_of_another(database: Database, busy: Lane) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(busy.share(POOL if database.owned else FEW)):
            await stack.enter_async_context(database.connection(busy))
        waiting = asyncio.create_task(stack.enter_async_context(database.connection(busy)))
        for lane in (AUDIT, READ, WRITE, WORK):
            if lane is not busy:
                async with database.connection(lane) as connection:
                    assert await connection.fetchval("SELECT 1") == 1
        assert not waiting.done()
        waiting.cancel()
        await asyncio.wait({waiting})


async def test_who_gets_no_turn_is_refused_as_retryable(database: Database) -> None:
    async with database.connection(AUDIT):
        with pytest.raises(BackendUnavailable):
            async with database.connection(AUDIT):
                pass


async def test_both_connections_of_the_feed_fit_into_the_smallest_pool(database_url: str) -> None:
    async with asyncpg.create_pool(database_url, min_size=0, max_size=3) as pool:
        database = Database(pool=pool)
        async with database.connection(FEED), database.connection(FEED), database.connection(WORK) as connection:
            assert await connection.fetchval("SELECT 1") == 1


async def test_a_session_of_the_application_waits_for_locks_as_it_did_before(pool: asyncpg.Pool) -> None:
    database = Database(pool=pool)
    async with database.connection(READ) as connection:
        assert await connection.fetchval("SHOW lock_timeout") == "300ms"
    assert await pool.fetchval("SHOW lock_timeout") == "7s"
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with database.connection(READ) as connection:
            await connection.fetchval("SELECT 1 / 0")
    assert await pool.fetchval("SHOW lock_timeout") == "7s"
    assert pool.get_size() == 1, "it is one session all the time"


async def test_closing_waits_for_no_connection_that_never_comes_back(database_url: str) -> None:
    database = Database(database_url)
    await database.open()
    held = database.connection(WORK)
    connection = await held.__aenter__()
    await database.close()
    with pytest.raises(asyncpg.InterfaceError):
        await connection.fetchval("SELECT 1")


LOCK = "LOCK TABLE secrets_vault IN EXCLUSIVE MODE NOWAIT"
IDLE = "SELECT setting::integer FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'"


async def test_postgresql_ends_a_change_whose_node_stands_still(database: Database) -> None:
    for lane in (WORK, WRITE, AUDIT):
        async with database.transaction(lane) as connection:
            assert await connection.fetchval(IDLE) == STANDS_STILL_S * 1000
        async with database.connection(lane) as connection:
            assert await connection.fetchval(IDLE) == 0, "sessions themselves may idle"


async def test_what_a_node_that_stood_still_held_is_free_and_it_is_told(database: Database) -> None:
    frozen, thawed = asyncio.Event(), asyncio.Event()

    async def stand_still() -> None:
        async with database.transaction(WRITE) as connection:
            await connection.execute("SET LOCAL idle_in_transaction_session_timeout = '50ms'")  # it need not take long
            await connection.execute(LOCK)
            frozen.set()
            await thawed.wait()
            await connection.execute("SELECT 1")

    node = asyncio.create_task(stand_still())
    await frozen.wait()
    while not await _locks(database):
        await asyncio.sleep(0.01)
    thawed.set()
    with pytest.raises(BackendUnavailable):
        await node
    assert await _locks(database)


async def _locks(database: Database) -> bool:
    try:
        async with database.transaction(WORK) as connection:
            await connection.execute(LOCK)
    except BackendUnavailable:
        return False
    return True
