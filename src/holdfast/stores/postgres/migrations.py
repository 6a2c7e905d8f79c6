"""The schema, brought up to this release in ordered steps."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib import resources
from typing import Final

import asyncpg

from holdfast.errors import BackendUnavailable, OutcomeUnknown, StartupError
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.errors import READ_ONLY, starting
from holdfast.stores.postgres.pools import Connection
from holdfast.stores.postgres.queries import load, load_all

ALIVE_WITHIN: Final = timedelta(seconds=15)
"""A node that was not heard of for this long is taken for stopped: three of its heartbeats."""

KEEPS_OLDER_NODES: Final = "-- older nodes: go on"
"""The line in a migration that nodes of the release before can work with, so that it may run beside them."""

_LOCK: Final = 0x686F6C64  # "hold", the advisory lock of those who migrate

_PREPARABLE: Final = re.compile(r"(?:--[^\n]*\n|[\s(])*(?:SELECT|INSERT|UPDATE|DELETE|WITH)\b")
"""How the statements begin that PREPARE takes."""

_STEP_TIMEOUT_S: Final = 3600.0
"""Seconds for one step, and for waiting while another node takes its steps: an audit trail may have many rows."""


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

    @property
    def keeps_older_nodes(self) -> bool:
        """Whether nodes of the release before may go on while and after it runs."""
        return KEEPS_OLDER_NODES in self.sql.splitlines()


@cache
def migrations() -> Sequence[Migration]:
    """All migrations of this release, in order."""
    folder = resources.files(__package__).joinpath("sql", "migrations")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return tuple(Migration(int(file.name[:4]), file.name[5:-4], file.read_text()) for file in files)


def schema_version() -> int:
    """The schema that this release works with."""
    return migrations()[-1].version


async def is_begun(database: Database) -> bool:
    """Whether there is a schema, of this release or another."""
    async with database.connection() as connection:
        return bool(await connection.fetchval("SELECT to_regclass('holdfast_migrations') IS NOT NULL"))


async def check_takes_changes(database: Database) -> None:
    """See that this server is the primary and takes changes, before the first one: a standby would refuse even a lock.

    Raises:
        BackendUnavailable: it does not.
    """
    async with database.connection() as connection:
        if await connection.fetchval("SELECT current_setting('transaction_read_only')::boolean"):
            raise BackendUnavailable(READ_ONLY)


async def migrate(database: Database, steps: Sequence[Migration] | None = None) -> None:
    """Bring the schema up to this release; nodes that start together wait for one another.

    ``steps``: all migrations there are, by default those of this release.

    Raises:
        StartupError: the schema is newer than this release, or was changed by hand, or nodes of an older release run
            that could not work with the new one, or two steps have one number. Nothing was written.
    """
    async with database.transaction() as connection:
        await alone(connection)
        await connection.execute("SET LOCAL lock_timeout = '4s'")  # queries queue up behind a lock that is waited for
        # Not IF NOT EXISTS: that asks for the right to create even where there is nothing to be created.
        if await connection.fetchval("SELECT to_regclass('holdfast_migrations') IS NULL"):
            await begin(connection)
        applied = {row["version"]: row["checksum"] for row in await connection.fetch("TABLE holdfast_migrations")}
        pending = pending_after(applied, migrations() if steps is None else steps)
        await _check_older_nodes(connection, pending)
        for migration in pending:
            await apply(connection, migration)


async def begin(connection: Connection) -> None:
    """Make the table of the steps that were taken."""
    with starting(
        "This role can make no tables here: GRANT USAGE, CREATE ON SCHEMA … TO it, or let one start that may"
    ):
        await connection.execute(
            "CREATE TABLE holdfast_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, "
            "checksum TEXT NOT NULL, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())"
        )


async def alone(connection: Connection) -> None:
    """Wait for others who change the schema, and keep them out until the end of the transaction."""
    await connection.execute("SET LOCAL client_min_messages = 'warning'; SET LOCAL lock_timeout = 0")
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK, timeout=_STEP_TIMEOUT_S)


async def check_schema(database: Database) -> None:
    """See that every statement of this release fits the schema.

    Raises:
        StartupError: the schema was changed by hand.
    """
    asks, others = _together()
    left = others if await _all_fit(database, asks) else load_all()  # to name the one that does not fit
    async with database.connection() as connection:
        for name, statement in left.items():
            with starting(f"The schema was changed by hand; restore it from a backup. It does not fit {name}"):
                await connection.prepare(statement, name="")


async def _all_fit(database: Database, statements: str) -> bool:
    """Ask for statements in one go, which is half the work; False if one does not fit or a table is locked.

    This takes a lock on every table, so it gives way before PostgreSQL would look for a deadlock with those who change
    tables, and end it by ending either.
    """
    try:
        async with database.transaction() as connection:
            await connection.execute("SET LOCAL lock_timeout = '200ms'")
            await connection.execute(statements)
    except (asyncpg.PostgresError, BackendUnavailable, OutcomeUnknown):
        return False
    return True


@cache
def _together() -> tuple[str, Mapping[str, str]]:
    """What asks for all statements that PREPARE takes, and the others."""
    taken = {name: statement for name, statement in load_all().items() if _PREPARABLE.match(statement)}
    asks = (f"PREPARE holdfast_check AS {each}\n; DEALLOCATE holdfast_check;" for each in taken.values())
    return "".join(asks), {name: each for name, each in load_all().items() if name not in taken}


def pending_after(applied: Mapping[int, str], steps: Sequence[Migration]) -> list[Migration]:
    """Return those of ``steps`` that are still to be taken; ``applied`` are checksums by version.

    Raises:
        StartupError: some applied ones are none of ``steps``, or not as they are now.
    """
    known = {migration.version: migration for migration in steps}
    if len(known) < len(steps):
        twin = next(each for each in steps if known[each.version] is not each)
        raise StartupError(
            f"Two migrations have the number {twin.version} ({twin.name}, {known[twin.version].name}), and one would "
            "be left out: this release was put together wrongly. Install another; this one changes nothing."
        )
    newer = sorted(set(applied) - set(known))
    if newer:
        raise StartupError(
            f"The database was migrated by a newer Holdfast (schema {newer[-1]}; this one knows {max(known)}). "
            "Run that release or newer; this one changes nothing."
        )
    changed = [version for version, checksum in applied.items() if known[version].checksum != checksum]
    if changed:
        raise StartupError(
            f"Migration {changed[0]} differs from the one that this database was made with: was this installation "
            "modified? Install the release that made it, or a newer one; this one changes nothing."
        )
    return [migration for version, migration in sorted(known.items()) if version not in applied]


async def _check_older_nodes(connection: Connection, pending: Sequence[Migration]) -> None:
    unsafe = [migration for migration in pending if not migration.keeps_older_nodes]
    if not unsafe or not await connection.fetchval("SELECT to_regclass('nodes') IS NOT NULL"):
        return
    older = await connection.fetch(load("nodes")["older"], unsafe[0].version, ALIVE_WITHIN)
    if older:
        named = ", ".join(f"{node['name']} (release {node['release']})" for node in older)
        raise StartupError(
            f"Older nodes run that could not work with schema {unsafe[0].version} ({unsafe[0].name}): {named}. "
            "Stop them first, then start this release; nothing is changed yet."
        )


async def apply(connection: Connection, migration: Migration) -> None:
    """Take one step, and enter it into the table.

    Raises:
        StartupError: PostgreSQL refuses it.
    """
    with starting(f"Migration {migration.version} cannot be applied"):
        await connection.execute(migration.sql, timeout=_STEP_TIMEOUT_S)
    await connection.execute(
        "INSERT INTO holdfast_migrations (version, name, checksum) VALUES ($1, $2, $3)",
        migration.version,
        migration.name,
        migration.checksum,
    )
