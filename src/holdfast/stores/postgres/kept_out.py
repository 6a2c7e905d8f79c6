"""The names of Key Vault that cannot be mirrored now."""

from collections.abc import Collection

from holdfast.ports import KeptOut
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.queries import load


class PostgresKeptOut:
    """Implements ``ports.KeptOutStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = load("kept_out")

    async def put(self, kept: KeptOut) -> None:
        """See the port."""
        async with self._database.connection() as connection:
            await connection.execute(
                self._sql["put"],
                *(kept.name, kept.reason, kept.detail, kept.since),
                *(kept.attempts, kept.next_attempt_at, kept.vault_updated_at),
            )

    async def forget(self, names: Collection[str]) -> None:
        """See the port."""
        async with self._database.connection() as connection:
            await connection.execute(self._sql["forget"], list(names))

    async def names(self, *, limit: int) -> list[KeptOut]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["names"], limit)
        return [KeptOut(**row) for row in rows]

    async def count(self) -> int:
        """See the port."""
        async with self._database.connection() as connection:
            number: int = await connection.fetchval(self._sql["count"])
        return number
