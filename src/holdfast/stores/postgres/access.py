"""Clients, figures and known answers at the commit point."""

from collections.abc import Mapping

from holdfast.domain.audit import AuditRecord
from holdfast.errors import Conflict
from holdfast.ports import ClientRecord, VaultTotals
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.outbox import put_record
from holdfast.stores.postgres.queries import load


class PostgresClients:
    """Implements ``ports.ClientStore`` over ``clients``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = load("access")

    async def add(self, client_id: str, secret_hash: bytes, created_by: str, record: AuditRecord) -> None:
        """See the port."""
        async with self._database.transaction() as connection:
            added = await connection.fetch(self._sql["add_client"], client_id, secret_hash, created_by)
            if not added:
                raise Conflict(f"Client {client_id!r} exists already; remove it first or choose another id")
            await put_record(connection, record)
        self._database.recorded()

    async def secret_hash(self, client_id: str) -> bytes | None:
        """See the port."""
        async with self._database.connection() as connection:
            found: bytes | None = await connection.fetchval(self._sql["client_hash"], client_id)
        return found

    async def remove(self, client_id: str, record: AuditRecord) -> bool:
        """See the port."""
        async with self._database.transaction() as connection:
            removed = await connection.fetch(self._sql["remove_client"], client_id)
            await put_record(connection, record)
        self._database.recorded()
        return bool(removed)

    async def list(self) -> list[ClientRecord]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["clients"])
        return [
            ClientRecord(client_id=r["client_id"], created_at=r["created_at"], created_by=r["created_by"]) for r in rows
        ]


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
