"""The connection pool and the schema."""

import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final, TypeAlias
from uuid import UUID

import asyncpg

from holdfast.errors import StartupError
from holdfast.stores.postgres.errors import starting, translating, unconfirmed
from holdfast.stores.postgres.queries import load_all

_log: Final = logging.getLogger(__name__)

Connection: TypeAlias = Any
"""An asyncpg connection or pool proxy; asyncpg ships no types."""

OLDEST_SERVER: Final = 14
"""PostgreSQL's oldest supported major version on the day of this release."""

_MIGRATION_LOCK: Final = 0x686F6C64  # "hold", the advisory lock of those who migrate
_CONNECT_TIMEOUT_S: Final = 5.0
_COMMAND_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Migration:
    """One ordered step of the schema."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the statement text, in hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


class Database:
    """A pool of connections to the commit point.

    Args:
        dsn: where PostgreSQL is; or
        pool: a pool that the application already has. It stays the application's to close.
    """

    def __init__(self, dsn: str | None = None, *, pool: Any = None, max_connections: int = 10) -> None:
        self._dsn, self._pool, self._owned = dsn, pool, pool is None
        self._max_connections = max_connections

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
                command_timeout=_COMMAND_TIMEOUT_S,
                max_inactive_connection_lifetime=300,
                reset=_leave_as_is,
                server_settings={"application_name": "holdfast", "timezone": "UTC"},
            )
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            raise StartupError(
                f"PostgreSQL cannot be reached ({type(error).__name__}). "
                "Check that the server runs and that DATABASE_URL names it, a user and a database it accepts."
            ) from error

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection; errors of connectivity become ``BackendUnavailable``."""
        with translating():
            async with self._pool.acquire(timeout=_CONNECT_TIMEOUT_S) as connection:
                yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside a transaction.

        Raises:
            OutcomeUnknown: the commit was sent and not confirmed.
        """
        async with self.connection() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                yield connection
            except BaseException:
                if not connection.is_closed():
                    await transaction.rollback()
                raise
            with unconfirmed():
                await transaction.commit()

    async def close(self) -> None:
        """Close the pool if it is ours."""
        if self._owned and self._pool is not None:
            pool, self._pool = self._pool, None
            try:
                await pool.close()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                _log.info("PostgreSQL did not see us off (%s)", type(error).__name__)
                pool.terminate()


async def _leave_as_is(connection: Connection) -> None:
    """Nothing to undo: no statement here leaves session state behind, and a reset would cost a round trip each time."""


def migrations() -> list[Migration]:
    """All migrations of this release, in order."""
    folder = resources.files(__package__).joinpath("sql", "migrations")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [Migration(int(file.name[:4]), file.name[5:-4], file.read_text()) for file in files]


async def migrate(database: Database) -> None:
    """Bring the schema up to this release; nodes that start together wait for one another.

    Raises:
        StartupError: the schema is newer than this release, or was changed by hand.
    """
    async with database.transaction() as connection:
        await connection.execute("SET LOCAL lock_timeout = '4s'; SET LOCAL client_min_messages = 'warning'")
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATION_LOCK)
        # Not IF NOT EXISTS: that asks for the right to create even where there is nothing to be created.
        if await connection.fetchval("SELECT to_regclass('holdfast_migrations') IS NULL"):
            with starting("This role can make no tables here; let one start that may, or give it a schema of its own"):
                await connection.execute(
                    "CREATE TABLE holdfast_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, "
                    "checksum TEXT NOT NULL, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())"
                )
        applied = {row["version"]: row["checksum"] for row in await connection.fetch("TABLE holdfast_migrations")}
        for migration in _pending(applied):
            with starting(f"Migration {migration.version} cannot be applied"):
                await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO holdfast_migrations (version, name, checksum) VALUES ($1, $2, $3)",
                migration.version,
                migration.name,
                migration.checksum,
            )


async def check_schema(database: Database) -> None:
    """See that every statement of this release fits the schema.

    Raises:
        StartupError: the schema was changed by hand.
    """
    async with database.connection() as connection:
        for name, statement in load_all().items():
            with starting(f"The schema was changed by hand; restore it from a backup. It does not fit {name}"):
                await connection.prepare(statement)


@dataclass(frozen=True, slots=True)
class Installation:
    """What stays the same for as long as the database lives.

    ``id`` tells this installation from any other; ``tenant`` is the tenant that clients name to log in.
    """

    id: UUID
    tenant: UUID


async def installation_of(database: Database, *, first_tenant: UUID) -> Installation:
    """Return the installation, which gets ``first_tenant`` if it has none yet."""
    async with database.connection() as connection:
        await connection.execute("UPDATE installation SET tenant = $1 WHERE tenant IS NULL", first_tenant)
        return Installation(*await connection.fetchrow("SELECT id, tenant FROM installation"))


def _pending(applied: dict[int, str]) -> list[Migration]:
    known = {migration.version: migration for migration in migrations()}
    newer = sorted(set(applied) - set(known))
    if newer:
        raise StartupError(
            f"The database was migrated by a newer Holdfast (schema {newer[-1]}; this one knows {max(known)}). "
            "Run that release or newer; this one changes nothing."
        )
    changed = [version for version, checksum in applied.items() if known[version].checksum != checksum]
    if changed:
        raise StartupError(f"Migration {changed[0]} differs from the one applied here: was this installation modified?")
    return [migration for version, migration in sorted(known.items()) if version not in applied]
