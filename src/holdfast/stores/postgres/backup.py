"""All rows of one moment, read out with COPY.

Which tables there are is asked of the catalogue, for the names that the schema of this release creates. The tables are
locked against being dropped before the moment is fixed: a partition that vanishes meanwhile would be missed.
"""

import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from graphlib import TopologicalSorter
from importlib import resources
from typing import Final
from uuid import UUID

from holdfast.domain.audit import AuditRecord
from holdfast.errors import StartupError
from holdfast.ports import BackupHeader, Counter, Counters, Partition, Shape, Step, Table
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.errors import translating
from holdfast.stores.postgres.outbox import put_record
from holdfast.stores.postgres.pools import Connection
from holdfast.stores.postgres.queries import load

MIGRATIONS: Final = "holdfast_migrations"

LEFT_OUT: Final = {
    MIGRATIONS: "the backup names its steps, and a restore takes them again",
    "nodes": "they are processes of the installation that was backed up",
    "node_rings": "what those processes reported",
    "clock_acceptance": "it is about the clock of that server",
}
"""Tables that are not in a backup, each with the reason."""

COPY_TIMEOUT_S: Final = 24 * 3600.0
"""Seconds for one table: an audit trail may have very many rows."""

_CREATED: Final = re.compile(r"^CREATE (TABLE|SEQUENCE) (\w+)", re.MULTILINE)


@cache
def created(kind: str) -> tuple[str, ...]:
    """The names of all that the schema of this release creates: of kind ``TABLE`` or ``SEQUENCE``."""
    schema = resources.files(__package__).joinpath("sql", "schema.sql").read_text()
    return tuple(name for each, name in _CREATED.findall(schema) if each == kind)


def saved_names() -> tuple[str, ...]:
    """The names of the tables that are in a backup."""
    return tuple(name for name in created("TABLE") if name not in LEFT_OUT)


async def shape_of(connection: Connection) -> Shape:
    """What the database looks like now."""
    sql, names = load("backup"), saved_names()
    found = await connection.fetch(sql["tables"], names)
    tables = {row["name"]: Table(row["name"], tuple(row["columns"])) for row in found}
    order = _ordered(tables, await connection.fetch(sql["references"], names))
    return Shape(
        steps=tuple(Step(**row) for row in await connection.fetch(sql["steps"])),
        tables=tuple(tables[name] for name in order),
        partitions=tuple(Partition(**row) for row in await connection.fetch(sql["partitions"], names)),
    )


def _ordered(names: Iterable[str], references: Iterable[Sequence[str]]) -> list[str]:
    """The names, in an order in which none refers to a later one."""
    sorter: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(names, ()))
    for name, refers_to in references:
        sorter.add(name, refers_to)
    return list(sorter.static_order())


class PostgresSnapshot:
    """Implements ``ports.Snapshot`` on a connection in a transaction."""

    def __init__(
        self, connection: Connection, shape: Shape, installation: UUID, keys: tuple[str, ...], size: int
    ) -> None:
        self._connection, self._sql = connection, load("backup")
        self.shape, self.installation, self.keys, self.size = shape, installation, keys, size

    async def rows(self, table: Table, write: Callable[[bytes], None]) -> int:
        """See the port."""

        async def take(data: bytes) -> None:
            write(data)

        with translating():
            query = await self._connection.fetchval(self._sql["rows"], table.name, table.columns)
            status = await self._connection.copy_from_query(
                query, output=take, format="text", encoding="utf-8", timeout=COPY_TIMEOUT_S
            )
        return int(status.removeprefix("COPY "))

    async def counters(self) -> Counters:
        """See the port."""
        with translating():
            rows = await self._connection.fetch(self._sql["counters"], saved_names(), created("SEQUENCE"))
        return Counters(tuple(Counter(**row) for row in rows))


class PostgresSnapshots:
    """Implements ``ports.SnapshotSource``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = load("backup")

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[PostgresSnapshot]:
        """See the port."""
        if self._database.pooled:  # what settles a transaction there is its first query
            raise StartupError("A backup does not go through a pooler: let DATABASE_URL name PostgreSQL's own port.")
        async with self._database.connection() as connection:
            there = [row["name"] for row in await connection.fetch(self._sql["tables"], saved_names())]
            lock = await connection.fetchval(self._sql["lock"], there)
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                await connection.execute(lock)  # before the first query, which is what fixes the moment
                yield await self._seen(connection)

    async def _seen(self, connection: Connection) -> PostgresSnapshot:
        return PostgresSnapshot(
            connection,
            await shape_of(connection),
            await connection.fetchval(self._sql["installation"]),
            tuple(row["key_id"] for row in await connection.fetch(self._sql["keys"])),
            await connection.fetchval(self._sql["size"]) or 0,
        )

    async def note(self, header: BackupHeader, record: AuditRecord) -> None:
        """See the port."""
        async with self._database.transaction() as connection:
            await connection.execute(self._sql["note"], header.backup, header.made_at)
            await put_record(connection, record)
        self._database.recorded()
