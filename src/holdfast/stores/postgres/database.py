"""The connection pool."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from uuid import UUID

import asyncpg

from holdfast.errors import BackendUnavailable, StartupError
from holdfast.stores.postgres.errors import is_spent, translating, unconfirmed
from holdfast.stores.postgres.queries import load

_log: Final = logging.getLogger(__name__)

Connection: TypeAlias = Any
"""An asyncpg connection or pool proxy; asyncpg ships no types."""

OLDEST_SERVER: Final = 14
"""PostgreSQL's oldest supported major version on the day of this release."""

_CONNECT_TIMEOUT_S: Final = 5.0
COMMAND_TIMEOUT_S: Final = 5.0
"""For one statement with its answer."""
_RELEASE_TIMEOUT_S: Final = 1.0


class Database:
    """A pool of connections to the commit point.

    Args:
        dsn: where PostgreSQL is; or
        pool: a pool that the application already has. It stays the application's to close.
    """

    def __init__(self, dsn: str | None = None, *, pool: Any = None, max_connections: int = 10) -> None:
        self._dsn, self._pool, self._owned = dsn, pool, pool is None
        self._max_connections = max_connections
        self.recorded: Callable[[], None] = lambda: None
        """To be called after a commit that stored an audit record; whoever chains records listens here."""
        self.answering: Callable[[], bool] = lambda: True
        """Whether PostgreSQL gives signs of life; whoever asks it all the time says so here."""
        self.mark: Callable[[], int | None] = lambda: None
        """What a session of this process holds as long as it lives, so that others see when it is gone."""

    @property
    def owned(self) -> bool:
        """Whether the pool is ours, not the application's."""
        return self._owned

    async def open(self) -> None:
        """Connect and check the server.

        Raises:
            StartupError: unreachable, refuses us, or too old.
        """
        if self._owned:
            self._pool = await self._connect()
        async with self.connection() as connection:
            major = connection.get_server_version().major
        if major < OLDEST_SERVER:
            await self.close()
            raise StartupError(f"PostgreSQL {major} is too old: Holdfast needs {OLDEST_SERVER} or newer. Upgrade it.")

    async def _connect(self) -> Any:
        try:
            return await asyncpg.create_pool(
                self._dsn,
                min_size=1,
                max_size=self._max_connections,
                timeout=_CONNECT_TIMEOUT_S,
                command_timeout=COMMAND_TIMEOUT_S,
                max_inactive_connection_lifetime=300,
                reset=_leave_as_is,
                init=settle,
                server_settings={"application_name": "holdfast", "timezone": "UTC"},
            )
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            raise StartupError(
                f"PostgreSQL cannot be reached ({type(error).__name__}). "
                "Check that the server runs and that DATABASE_URL names it, a user and a database it accepts."
            ) from error

    @asynccontextmanager
    async def connection(self, *, probing: bool = False) -> AsyncIterator[Connection]:
        """Lend a connection; errors of connectivity become ``BackendUnavailable``.

        A server that is silent is not asked, so that no one waits for it in vain, but by whoever is ``probing``. A
        connection whose operation was cancelled or got no answer is ended at once, whoever waited waits no longer.
        """
        if not probing and not self.answering():
            raise BackendUnavailable("PostgreSQL gives no sign of life; try again")
        with translating():
            connection = await self._pool.acquire(timeout=_CONNECT_TIMEOUT_S)
            try:
                if not self._owned:  # its sessions are the application's, and may have been reset
                    await settle(connection)
                yield connection
            except BaseException as error:
                if is_spent(error):
                    connection.terminate()
                raise
            finally:
                await self._give_back(connection)

    async def _give_back(self, connection: Connection) -> None:
        """Return a connection to the pool. What ails it now says nothing of the work that was done over it."""
        try:
            await self._pool.release(connection, timeout=_RELEASE_TIMEOUT_S)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            _log.info("A connection to PostgreSQL was dead when it was given back (%s)", type(error).__name__)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction.

        Raises:
            OutcomeUnknown: the commit was sent and not confirmed.
        """
        async with self.connection() as connection:
            await connection.execute("BEGIN")
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
            await self._pool.expire_connections()

    async def close(self) -> None:
        """Close the pool if it is ours."""
        if self._owned and self._pool is not None:
            pool, self._pool = self._pool, None
            try:
                await pool.close()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                _log.info("PostgreSQL did not see us off (%s)", type(error).__name__)
                pool.terminate()


async def _roll_back(connection: Connection) -> None:
    """Undo the transaction. Where that cannot be asked for, the end of the connection does it."""
    try:
        await connection.execute("ROLLBACK")
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        connection.terminate()


async def settle(connection: Connection) -> None:
    """Fix for this session what a setting of the role or of the database could bend.

    Names mean PostgreSQL's own functions, the clock among them, and the tables of this installation. A commit is on
    disk, here and on synchronous standbys, when it is confirmed; a setting that says more stays.
    """
    if connection.get_server_version().major >= OLDEST_SERVER:
        await connection.execute(load("connection")["settle"])


async def _leave_as_is(connection: Connection) -> None:
    """Nothing to undo: what a statement leaves in the session is to stay, and a reset would cost a round trip."""


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
