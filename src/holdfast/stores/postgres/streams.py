"""How far each stream of the audit trail has come."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from holdfast.domain.chain import Entry
from holdfast.ports import StreamState
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.queries import load
from holdfast.stores.postgres.trail import entry_in


class PostgresStreams:
    """Implements ``ports.StreamStore`` on ``audit_streams`` and a cursor for each chain."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = load("streams")

    async def lead(self, name: str, holder: UUID, lease: timedelta) -> bool:
        """See the port."""
        async with self._database.transaction() as connection:
            fresh = await connection.fetchval(self._sql["lead"], name, holder, lease)
            if fresh:
                await connection.execute(self._sql["begin"], name)
        return fresh is not None

    async def next(self, name: str, limit: int) -> Sequence[Entry]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["next"], name, limit)
        return list(map(entry_in, rows))

    async def delivered(self, name: str, holder: UUID, entries: Sequence[Entry]) -> None:
        """See the port."""
        heads = {entry.chain: entry.seq for entry in entries}
        writers, boots = [chain.writer for chain in heads], [chain.boot for chain in heads]
        async with self._database.connection() as connection:
            await connection.execute(
                self._sql["delivered"], name, holder, writers, boots, list(heads.values()), len(entries)
            )

    async def next_checkpoints(self, name: str, limit: int) -> list[tuple[int, bytes]]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["next_checkpoints"], name, limit)
        return [(row["number"], row["line"].encode()) for row in rows]

    async def delivered_checkpoint(self, name: str, holder: UUID, number: int) -> None:
        """See the port."""
        async with self._database.connection() as connection:
            await connection.execute(self._sql["delivered_checkpoint"], name, holder, number)

    async def failed(self, name: str, error: str) -> None:
        """See the port."""
        async with self._database.connection() as connection:
            await connection.execute(self._sql["failed"], name, error)

    async def states(self, names: Sequence[tuple[str, str]]) -> list[StreamState]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = [(*each, await connection.fetchrow(self._sql["state"], each[0])) for each in names]
        return [
            StreamState(
                name=name,
                kind=kind,
                delivered=row["delivered"] if row else 0,
                waiting=row[f"{kind}_waiting"] if row else 0,
                delivered_at=row["delivered_at"] if row else None,
                failed_at=row["failed_at"] if row else None,
                last_error=row["last_error"] if row else None,
            )
            for name, kind, row in rows
        ]
