"""Connections to the commit point, and transactions over them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import UUID

import asyncpg

from holdfast.errors import BackendUnavailable, CircuitOpen, StartupError
from holdfast.resilience.breaker import Admission, BreakerState, CircuitBreaker
from holdfast.resilience.events import Event, Log
from holdfast.resilience.outages import Outages
from holdfast.resilience.tasks import stopped
from holdfast.stores.postgres.errors import is_spent, not_started, reason_of, translating, unconfirmed, waited_in_vain
from holdfast.stores.postgres.holders import Holders
from holdfast.stores.postgres.outbox import HearsOfRecords, noting_records
from holdfast.stores.postgres.poolers import Password
from holdfast.stores.postgres.pools import (
    OLDEST_SERVER,
    POOL,
    READ,
    WORK,
    Connection,
    GivenPool,
    Lane,
    OwnPools,
    Pools,
    beginning,
)

_log: Final = Log(__name__)


class ServerKeeper(Protocol):
    """Who starts the server itself, and starts it again when it ends."""

    @property
    def fault(self) -> str | None:
        """Why the server is not there; None while it is."""

    @property
    def hopeless(self) -> bool:
        """Whether starting it has been tried again and again in vain."""


_LEFT_ALONE: Final = "PostgreSQL kept a read waiting and is left alone for a moment; try again"

STANDS_STILL_S: Final = 15
"""Whole seconds after which PostgreSQL ends a change that is not over and asks for nothing more: its node is frozen, or
gone without a word, and others wait for the rows that it has locked."""

_CHANGE: Final = f"BEGIN; SET LOCAL idle_in_transaction_session_timeout = '{STANDS_STILL_S}s'"
_SNAPSHOT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

LEFT_ALONE_S: Final = 5.0
"""The longest for which no read asks PostgreSQL after one that waited in vain; a second at first."""


class Database:
    """Connections to the commit point.

    Args:
        dsn: where PostgreSQL is; or
        pool: a pool that the application already has. It stays the application's to close; or
        pools: what lends connections, which stays its owner's to close.
        max_connections: of this process at most, shared out among the lanes.
        password: takes the place of the one in the address.
    """

    def __init__(
        self,
        dsn: str | None = None,
        *,
        pool: Any = None,
        pools: Pools | None = None,
        max_connections: int = POOL,
        password: Password | None = None,
    ) -> None:
        self._dsn, self._max_connections = dsn, max_connections
        self._owned = pool is None and pools is None
        self.password = password
        self._pools: Pools | None = GivenPool(pool) if pool is not None else pools
        self._reads = CircuitBreaker("PostgreSQL", time.monotonic, failure_threshold=1, open_s=LEFT_ALONE_S)
        self._probe: asyncio.Task[None] | None = None
        self.recorded: Callable[[], None] = lambda: None
        """To be called after a commit that stored an audit record; whoever chains records listens here."""
        self.kept: list[HearsOfRecords] = []
        """Whom to tell of the audit records, the very objects, of each transaction that is committed."""
        self.answering: Callable[[], bool] = lambda: True
        """Whether PostgreSQL gives signs of life; whoever asks it all the time says so here."""
        self.mark: Callable[[], int | None] = lambda: None
        """What a session of this process holds as long as it lives, so that others see when it is gone."""

        self.outages = Outages()
        """Of PostgreSQL, told of by what asks it all the time."""
        self.holders = Holders(lambda: self.connection(READ))
        self.keeper: ServerKeeper | None = None
        """Who keeps the server running, if that is us."""

    @property
    def owned(self) -> bool:
        """Whether the pool is ours, not the application's."""
        return self._owned

    async def open(self) -> None:
        """Connect and check the server.

        Raises:
            StartupError: unreachable (``StartupDelayed``), refuses us, or too old.
        """
        if self._owned:
            self._pools = await self._connect()
        with self.starting():
            async with self.connection() as connection:
                major = connection.get_server_version().major
        if major < OLDEST_SERVER:
            await self.close()
            raise StartupError(f"PostgreSQL {major} is too old: Holdfast needs {OLDEST_SERVER} or newer. Upgrade it.")

    async def _connect(self) -> Pools:
        try:
            return await OwnPools.open(self._dsn, self._max_connections, self.password)
        except (BackendUnavailable, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            text = (
                f"PostgreSQL cannot be reached: {reason_of(error)}. "
                "Check that the server runs and that DATABASE_URL names it, a user and a database it accepts."
            )
            raise not_started(error, text) from error

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Turn what a reachable PostgreSQL refuses into ``StartupError``, with who is in the way, if anybody is."""
        try:
            yield
        except BackendUnavailable as error:
            held = f" {self.holders.fault}." if self.holders.fault else ""
            text = f"{error}. PostgreSQL was reached, and then refused what a start needs.{held}"
            raise not_started(error, text) from error

    @property
    def pooled(self) -> bool:
        """Whether a pooler is in between, so that only what is asked in one transaction is asked of one session."""
        return self._pools is not None and self._pools.pooled

    def connection(self, lane: Lane = WORK, *, probing: bool = False) -> AbstractAsyncContextManager[Connection]:
        """Lend a connection; errors of connectivity become ``BackendUnavailable``.

        Behind a pooler this is one transaction, whose commit may remain unconfirmed (``OutcomeUnknown``).
        """
        return self._committed(lane, probing=probing) if self.pooled else self._lent(lane, probing=probing)

    @asynccontextmanager
    async def _lent(self, lane: Lane, *, probing: bool) -> AsyncIterator[Connection]:
        """Lend a connection as it is.

        A server that is silent is not asked, so that no one waits for it in vain, except by one that is ``probing``. A
        connection whose operation was cancelled or got no answer is ended at once: what waited for it waits no longer.
        """
        if not probing and not self.answering():
            raise BackendUnavailable("PostgreSQL gives no sign of life; try again")
        pools = self._pools
        if pools is None:
            raise BackendUnavailable("PostgreSQL is not connected to: this process has not started, or has stopped")
        with translating():
            connection = await pools.acquire(lane)
            try:
                with self.holders.watching(connection):
                    yield connection
            except BaseException as error:
                if is_spent(error):
                    connection.terminate()
                raise
            finally:
                await self._give_back(pools, lane, connection)

    async def _give_back(self, pools: Pools, lane: Lane, connection: Connection) -> None:
        """Return a connection to its pool. What ails it now says nothing of the work that was done over it."""
        try:
            await pools.release(lane, connection)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            _log(Event.CONNECTION_WAS_DEAD, reason=type(error).__name__)

    async def look(self, query: str, *arguments: object) -> Any:
        """The first row that answers what other tiers can tell as well: no one waits long, and soon no one at all.

        After a look that waited in vain, be it for a lock, PostgreSQL is left alone for some seconds: the next look
        fails at once. Whether the wait is over is found out in the background.
        """
        well = self._reads.state is BreakerState.CLOSED
        try:
            admission = self._reads.admit()
        except CircuitOpen as error:
            raise BackendUnavailable(_LEFT_ALONE) from error
        if well:
            return await self._look(admission, query, *arguments)
        self._probe = asyncio.create_task(self._looks(admission, query, *arguments), name="is the lock gone")
        raise BackendUnavailable(_LEFT_ALONE)

    async def _look(self, admission: Admission, query: str, *arguments: object) -> Any:
        try:
            async with self.connection(READ) as connection:
                row = await connection.fetchrow(query, *arguments)
        except BaseException as error:
            admission.report(success=False if waited_in_vain(error) else None)
            raise
        admission.report(success=True)
        return row

    async def _looks(self, admission: Admission, query: str, *arguments: object) -> None:
        with suppress(BackendUnavailable, asyncpg.PostgresError):  # the breaker has heard of it
            await self._look(admission, query, *arguments)

    @asynccontextmanager
    async def transaction(self, lane: Lane = WORK) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction; after the commit, tell of the audit records that it stored.

        Raises:
            OutcomeUnknown: the commit was sent and not confirmed.
        """
        with noting_records() as stored:
            async with self._committed(lane, _CHANGE) as connection:
                yield connection
        for told in self.kept if stored else ():
            told(stored)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """Lend a connection on which all statements see the same moment, and none changes anything."""
        async with self._committed(WORK, _SNAPSHOT) as connection:
            yield connection

    @asynccontextmanager
    async def _committed(self, lane: Lane, begin: str = "BEGIN", *, probing: bool = False) -> AsyncIterator[Connection]:
        async with self._lent(lane, probing=probing) as connection:
            await connection.execute(beginning(lane, begin) if self.pooled else begin)
            try:
                yield connection
            except BaseException as error:
                if not is_spent(error):
                    await _roll_back(connection)
                raise
            with unconfirmed():
                said = await connection.execute("COMMIT")
            if said != "COMMIT":  # the server's answer where a statement before had failed
                raise BackendUnavailable("PostgreSQL rolled the change back; try again")

    async def renew(self) -> None:
        """Let no connection of before be lent again: what is silent now may stay so when the server is back."""
        with suppress(asyncpg.InterfaceError):  # a pool that the application has closed
            if self._pools is not None:
                await self._pools.renew()

    async def close(self) -> None:
        """Close the pools if they are ours."""
        for task in (self._probe, self.holders.asking):
            if task is not None:
                await stopped(task)
        if self._owned and self._pools is not None:
            pools, self._pools = self._pools, None
            await pools.close()


async def _roll_back(connection: Connection) -> None:
    """Undo the transaction. Where that cannot be asked for, the end of the connection does it."""
    try:
        await connection.execute("ROLLBACK")
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        connection.terminate()


@dataclass(frozen=True, slots=True)
class Installation:
    """What stays the same for as long as the database lives.

    ``id`` tells this installation from any other; ``tenant`` is the tenant that clients name to log in;
    ``cache_namespace`` changes when the installation is restored from a backup.
    """

    id: UUID
    tenant: UUID
    cache_namespace: UUID


async def installation_of(database: Database, *, first_tenant: UUID) -> Installation:
    """Return the installation, which gets ``first_tenant`` if it has none yet."""
    async with database.connection() as connection:
        await connection.execute("UPDATE installation SET tenant = $1 WHERE tenant IS NULL", first_tenant)
        return Installation(*await connection.fetchrow("SELECT id, tenant, cache_namespace FROM installation"))
