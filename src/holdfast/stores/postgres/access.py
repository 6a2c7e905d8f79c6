"""Figures at the commit point."""

from holdfast.ports import VaultTotals
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.queries import load


class PostgresReports:
    """Implements ``ports.Reports``: figures over everything stored."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = load("access")

    async def totals(self) -> VaultTotals:
        """See the port."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(self._sql["vault_totals"])
        return VaultTotals(**dict(row))
