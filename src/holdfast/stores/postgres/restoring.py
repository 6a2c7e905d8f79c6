"""A backup, put into an empty database: all of it in one transaction, or nothing.

The schema is first made as it was when the backup was made, filled, and then brought up to this release. Triggers keep
still meanwhile: what they did is in the rows already.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from holdfast.domain.audit import AuditRecord
from holdfast.domain.revocations import Revocation
from holdfast.errors import Conflict, IntegrityFailure
from holdfast.ports import BackupHeader, BackupPart, Counters, Known, Sealer, Shape, Table, TableEnd
from holdfast.stores.postgres.backup import COPY_TIMEOUT_S, MIGRATIONS, created, saved_names, shape_of
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.errors import starting
from holdfast.stores.postgres.migrations import Migration, alone, apply, begin, migrations, pending_after
from holdfast.stores.postgres.outbox import put_record
from holdfast.stores.postgres.pools import Connection
from holdfast.stores.postgres.queries import load
from holdfast.stores.postgres.revoking import revoke_again

LEAP: Final = 1_000_000_000
"""What counters and fences are moved on by. The lost installation counted on after its backup, and whoever remembers
its numbers (targets of rotations, Redis, nodes) must find those of the new one higher. No life counts so far."""


Recorded: TypeAlias = Callable[[Sequence[Revocation]], Iterable[AuditRecord]]
"""Returns what goes on record of a restoration that met these revocations."""


class Restored(NamedTuple):
    """How many rows of each table came back, and the revocations that the backup did not know of."""

    rows: Mapping[str, int]
    met: Sequence[Revocation]


class PostgresRestorer:
    """Restores into a database.

    Args:
        seal_with: lets the key of an id seal from now on.
    """

    def __init__(self, database: Database, sealer: Sealer, seal_with: Callable[[str], None]) -> None:
        self._database, self._sealer, self._seal_with = database, sealer, seal_with
        self._sql = load("restore")

    async def restore(
        self, header: BackupHeader, parts: Iterator[BackupPart], known: Known, recorded: Recorded, *, undo: bool
    ) -> Restored:
        """Restore a backup, with the records of it, and revoke again what is known to have been revoked since.

        ``undo``: let that count again.

        Raises:
            Conflict: the database is not empty.
            StartupError: a newer release made the backup, or PostgreSQL refuses some of it.
            IntegrityFailure: the backup does not fit its own schema, or the audit trail is another installation's.
        """
        async with self._database.transaction() as connection:
            await alone(connection)
            await self._see_that_it_is_empty(connection)
            shape = next(parts)
            if not isinstance(shape, Shape):
                raise IntegrityFailure("The backup does not begin with the shape of the database.")
            later = await self._make_schema(connection, shape)
            with starting("The backup cannot be restored"):
                rows = await self._fill(connection, shape, parts)
            for step in later:
                await apply(connection, step)
            await self._see_that_it_goes_on(connection, known)
            await self._begin_new_life(connection, header)
            met = await self._met(connection, known, undo=undo)
            for record in recorded(met):
                await put_record(connection, record)
        return Restored(rows, met)

    async def _see_that_it_goes_on(self, connection: Connection, known: Known) -> None:
        """See that the audit trail that was given, if any, is the one in the backup, and goes on from there."""
        places, digests = known.anchors.keys(), list(known.anchors.values())
        writers, boots = [chain.writer for chain, _ in places], [chain.boot for chain, _ in places]
        row = await connection.fetchrow(self._sql["anchored"], writers, boots, [seq for _, seq in places], digests)
        if row["others"] or (known.trails and not row["same"]):
            raise IntegrityFailure(
                "The audit trail that was given does not go on where that of the backup ends: it is another "
                "installation's, or one of the two was altered."
            )

    async def _met(self, connection: Connection, known: Known, *, undo: bool) -> Sequence[Revocation]:
        """Revoke again what is known to be revoked. To undo is the same, taken back: then it is known what counts."""
        active = await connection.fetchval(self._sql["active_key"])
        if active is not None:
            self._seal_with(active)
        await connection.execute(self._sql["mark"])
        met = await revoke_again(connection, self._sealer, known.revocations)
        if undo:
            await connection.execute(self._sql["back_to_mark"])
        return met

    async def _see_that_it_is_empty(self, connection: Connection) -> None:
        names = (*created("TABLE"), *created("SEQUENCE"), MIGRATIONS)
        found = await connection.fetchval(self._sql["in_the_way"], names)
        if found is not None:
            raise Conflict(
                f"The database is not empty: it has a table or sequence {found!r}, and nothing is ever restored over "
                "another installation. Name an empty database with DATABASE_URL, or an empty HOLDFAST_DATA_DIR."
            )

    async def _make_schema(self, connection: Connection, shape: Shape) -> list[Migration]:
        """Make the schema of the backup, with nothing in it; returns the steps from there to this release."""
        taken = {step.version: step.checksum for step in shape.steps}
        later = pending_after(taken, migrations())
        await begin(connection)
        for step in migrations():
            if step.version in taken:
                await apply(connection, step)
        made = await shape_of(connection)
        if _columns(made) != _columns(shape):
            raise IntegrityFailure("The backup holds other tables or columns than the schema that it names.")
        for table in shape.tables:
            await self._run(connection, "clear", table.name)
        for partition in made.partitions:
            await self._run(connection, "drop_partition", partition.name)
        for partition in shape.partitions:
            await self._run(connection, "make_partition", partition.name, partition.parent, partition.bounds)
        return later

    async def _fill(self, connection: Connection, shape: Shape, parts: Iterator[BackupPart]) -> dict[str, int]:
        rows = {}
        for table in shape.tables:
            await self._run(connection, "keep_triggers_still", table.name)
            rows[table.name] = await _copy(connection, table, parts)
            await self._run(connection, "let_triggers_work", table.name)
        for part in parts:  # to the end: only then it is certain that nothing is missing
            for each in part.counters if isinstance(part, Counters) else ():
                await connection.execute(self._sql["set_counter"], each.name, each.table, each.column, each.last)
        return rows

    async def _begin_new_life(self, connection: Connection, header: BackupHeader) -> None:
        """Let nothing go on that belongs to processes of the installation that was backed up."""
        for row in await connection.fetch(self._sql["leases"], saved_names()):
            await self._run(connection, "end_leases", *row)
        await connection.execute(self._sql["doubt_intents"])
        await connection.execute(self._sql["void_emergencies"])  # revoked ones, and spent codes, would be good again
        for name in ("move_sync_fence", "move_access_epoch", "move_identity_epoch", "move_counters"):
            await connection.execute(self._sql[name], LEAP)
        await connection.execute(self._sql["begin_new_life"], header.backup, header.made_at)

    async def _run(self, connection: Connection, name: str, *arguments: str) -> None:
        """Run the statement that another one writes: names of tables cannot be arguments."""
        await connection.execute(await connection.fetchval(self._sql[name], *arguments), timeout=COPY_TIMEOUT_S)


def _columns(shape: Shape) -> dict[str, frozenset[str]]:
    return {table.name: frozenset(table.columns) for table in shape.tables}


async def _copy(connection: Connection, table: Table, parts: Iterator[BackupPart]) -> int:
    """Fill a table with the rows that come next; returns how many there are."""
    end: list[BackupPart] = []

    async def rows() -> AsyncIterator[bytes]:
        for part in parts:
            if not isinstance(part, bytes):
                end.append(part)
                return
            yield part

    status = await connection.copy_to_table(
        table.name, source=rows(), columns=table.columns, format="text", encoding="utf-8", timeout=COPY_TIMEOUT_S
    )
    found = int(status.removeprefix("COPY "))
    if end != [TableEnd(table.name, found)]:
        raise IntegrityFailure(f"The backup has another number of rows of {table.name} than it says.")
    return found
