"""Who mirrors the vault, and when that last went through."""

from datetime import timedelta
from uuid import UUID

from holdfast.ports import SyncLease, SyncStatus
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.queries import load


class PostgresSyncState:
    """Implements ``ports.SyncState`` on the one row of ``sync_state``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = load("sync_state")

    async def lead(self, node: UUID, lease: timedelta) -> SyncLease | None:
        """See the port."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(self._sql["lead"], node, lease)
        return SyncLease(**row) if row else None

    async def renew(self, held: SyncLease, lease: timedelta) -> bool:
        """See the port."""
        async with self._database.connection() as connection:
            return bool(await connection.fetchval(self._sql["renew"], held.fence, lease))

    async def finish(self, held: SyncLease, *, error: str | None = None, lacking: str | None = None) -> bool:
        """See the port."""
        async with self._database.connection() as connection:
            return bool(await connection.fetchval(self._sql["finish"], held.fence, held.started_at, error, lacking))

    async def status(self) -> SyncStatus:
        """See the port."""
        async with self._database.connection() as connection:
            return SyncStatus(**await connection.fetchrow(self._sql["status"]))
