"""Connections to PostgreSQL in lanes: each kind of work has its own, so that none takes those of another.

A lane says how long its work waits for a lock, which somebody else may hold for hours. PostgreSQL itself ends the wait:
a session whose client merely went away would stay in the queue for the lock, and there would be more of them each time.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol, TypeAlias

import asyncpg

from holdfast.resilience.events import Event, Log
from holdfast.resilience.tasks import all_of
from holdfast.stores.postgres.poolers import Password, is_pooled
from holdfast.stores.postgres.queries import load

_log: Final = Log(__name__)

Connection: TypeAlias = Any
"""An asyncpg connection or pool proxy; asyncpg ships no types."""

OLDEST_SERVER: Final = 14
"""PostgreSQL's oldest supported major version on the day of this release."""

CONNECT_TIMEOUT_S: Final = 5.0
COMMAND_TIMEOUT_S: Final = 5.0
"""For one statement with its answer, at most."""
_RELEASE_TIMEOUT_S: Final = 1.0
_CLOSE_TIMEOUT_S: Final = 5.0
_IDLE_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Lane:
    """Connections for one kind of work, and its patience in seconds.

    ``lock_s``: for a lock; ``turn_s``: for a connection; ``statement_s``: for a statement with its answer.
    ``least``: connections that it needs in any case.
    """

    name: str
    connections: int
    lock_s: float
    turn_s: float = CONNECT_TIMEOUT_S
    statement_s: float = COMMAND_TIMEOUT_S
    least: int = 1

    @property
    def lock_timeout(self) -> str:
        """As PostgreSQL takes it."""
        return f"{round(self.lock_s * 1000)}ms"

    def share(self, connections: int) -> int:
        """How many of so many connections in all are for this lane."""
        return max(self.least, self.connections * connections // POOL)


READ: Final = Lane("reads", 4, lock_s=0.3, turn_s=1.0, statement_s=1.0)
"""Looks that other tiers can stand in for."""

WRITE: Final = Lane("changes", 4, lock_s=1.0)
"""Changes of secrets, and what has to be known for them."""

AUDIT: Final = Lane("audit records", 1, lock_s=0.3, turn_s=1.0)
"""Records that an answer waits for; the local log can stand in."""

FEED: Final = Lane("the feed", 2, lock_s=0.3, least=2)
"""Signs of life, and announcements: both are held all the time."""

WORK: Final = Lane("other work", 4, lock_s=4.0)
"""All else: it waits nearly as long as a statement may take."""

LANES: Final = (WORK, READ, WRITE, AUDIT, FEED)
POOL: Final = sum(lane.connections for lane in LANES)
"""Connections that a process opens at most."""


class Pools(Protocol):
    """Lends connections by lane."""

    pooled: bool
    """Whether each transaction may get another session of PostgreSQL, and has to begin with ``beginning``."""

    async def acquire(self, lane: Lane) -> Connection:
        """Lend a connection of the lane, or raise TimeoutError after its patience."""

    async def release(self, lane: Lane, connection: Connection) -> None:
        """Take it back."""

    async def renew(self) -> None:
        """Lend no connection again that is open now."""

    async def close(self) -> None:
        """Close what is ours."""


class OwnPools:
    """A pool for each lane."""

    def __init__(self, pools: Mapping[Lane, Any], *, pooled: bool = False) -> None:
        self._pools, self.pooled = pools, pooled

    @classmethod
    async def open(cls, dsn: str | None, connections: int, password: Password | None = None) -> "OwnPools":
        """Connect once, to see that it can be done; further connections are opened when they are needed."""
        pooled = await is_pooled(dsn, CONNECT_TIMEOUT_S, password, oldest=OLDEST_SERVER)
        pools = {lane: await _pool(dsn, lane, lane.share(connections), password, pooled=pooled) for lane in LANES}
        await pools[WORK].release(await pools[WORK].acquire(timeout=CONNECT_TIMEOUT_S))
        return cls(pools, pooled=pooled)

    async def acquire(self, lane: Lane) -> Connection:
        """See the protocol."""
        return await self._pools[lane].acquire(timeout=lane.turn_s)

    async def release(self, lane: Lane, connection: Connection) -> None:
        """See the protocol."""
        await self._pools[lane].release(connection, timeout=_RELEASE_TIMEOUT_S)

    async def renew(self) -> None:
        """See the protocol."""
        for pool in self._pools.values():
            await pool.expire_connections()

    async def close(self) -> None:
        """See the protocol."""
        await all_of(map(_closed, self._pools.values()))


class GivenPool:
    """A pool of the application's, which stays its to close. Each lane has its turns in it.

    A session is made ours when it is lent, and waits for locks afterwards as it did before.
    """

    pooled = False

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._turns: dict[Lane, asyncio.Semaphore] = {}
        self._before: dict[Connection, str] = {}

    async def acquire(self, lane: Lane) -> Connection:
        """See the protocol."""
        turns = self._turns_of(lane)
        async with asyncio.timeout(lane.turn_s):
            await turns.acquire()
        try:
            return await self._settled(lane)
        except BaseException:
            turns.release()
            raise

    async def _settled(self, lane: Lane) -> Connection:
        connection = await self._pool.acquire(timeout=lane.turn_s)
        try:
            self._before[connection] = await settle(lane, connection)
        except BaseException:
            connection.terminate()
            await self._pool.release(connection, timeout=_RELEASE_TIMEOUT_S)
            raise
        return connection

    async def release(self, lane: Lane, connection: Connection) -> None:
        """See the protocol."""
        try:
            before = self._before.pop(connection)
            if not connection.is_closed():
                await connection.execute(load("connection")["wait_as_before"], before, timeout=_RELEASE_TIMEOUT_S)
        except BaseException:
            connection.terminate()
            raise
        finally:
            self._turns_of(lane).release()
            await self._pool.release(connection, timeout=_RELEASE_TIMEOUT_S)

    def _turns_of(self, lane: Lane) -> asyncio.Semaphore:
        if lane not in self._turns:
            self._turns[lane] = asyncio.Semaphore(lane.share(self._pool.get_max_size()))
        return self._turns[lane]

    async def renew(self) -> None:
        """See the protocol."""
        await self._pool.expire_connections()

    async def close(self) -> None:
        """See the protocol: nothing here is ours."""


async def settle(lane: Lane, connection: Connection) -> str:
    """Fix for this session what a setting of the role or of the database could bend, and how long it waits for locks.

    Names mean PostgreSQL's own functions, the clock among them, and the tables of this installation. A commit is on
    disk, here and on synchronous standbys, when it is confirmed; a setting that says more stays. Returns how long the
    session waited for locks before.
    """
    if connection.get_server_version().major < OLDEST_SERVER:
        return "0"
    before: str = await connection.fetchval(load("connection")["settle"], lane.lock_timeout, False)
    return before


_LEFT_BEHIND: Final = ("role", "search_path", "synchronous_commit", "statement_timeout")
"""Settings of a session that another client of the pooler may have left there; the default is that of our role."""


def beginning(lane: Lane, begin: str) -> str:
    """What begins a transaction and settles it in the same message: the session may be anyone's."""
    settle_it = load("connection")["settle"].replace("$1", f"'{lane.lock_timeout}'").replace("$2", "true")
    return "; ".join([begin, *(f"SET LOCAL {name} TO DEFAULT" for name in _LEFT_BEHIND), settle_it])


def _pool(dsn: str | None, lane: Lane, connections: int, password: Password | None, *, pooled: bool) -> Any:
    """The pool of a lane. None is kept open at all costs: an outage would have that tried, and logged, all the time."""
    return asyncpg.create_pool(
        dsn,
        password=password,
        min_size=0,
        max_size=connections,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=lane.statement_s,
        max_inactive_connection_lifetime=_IDLE_S,
        reset=_leave_as_is,
        init=None if pooled else partial(settle, lane),
        **({"statement_cache_size": 0} if pooled else {}),  # a prepared statement is one session's
        server_settings={"application_name": "holdfast", "timezone": "UTC"},
    )


async def _closed(pool: Any) -> None:
    """Close a pool; one that is still in use after a while is ended."""
    try:
        async with asyncio.timeout(_CLOSE_TIMEOUT_S):  # the pool waits for those who have a connection
            await pool.close()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        _log(Event.CONNECTION_NOT_ENDED, reason=type(error).__name__)
        pool.terminate()


async def _leave_as_is(connection: Connection) -> None:
    """Nothing to undo: what a statement leaves in the session is to stay, and a reset would cost a round trip."""
