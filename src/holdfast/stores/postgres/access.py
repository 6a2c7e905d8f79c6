"""Figures and known answers at the commit point."""

from collections.abc import Mapping

from holdfast.ports import VaultTotals
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.queries import load


class PostgresKeyRegistry:
    """Implements ``ports.KeyRegistry`` over ``encryption_keys``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = load("access")

    async def known_answers(self) -> Mapping[str, bytes]:
        """See the port."""
        async with self._database.connection() as connection:
            if not await connection.fetchval(self._sql["has_keys"]):
                return {}
            return {row["key_id"]: row["known_answer"] for row in await connection.fetch(self._sql["known_answers"])}

    async def add(self, key_id: str, known_answer: bytes) -> None:
        """See the port."""
        async with self._database.connection() as connection:
            await connection.execute(self._sql["add_known_answer"], key_id, known_answer)


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
