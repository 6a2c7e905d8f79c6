"""Clients, figures and known answers at the commit point."""

from collections.abc import Mapping
from typing import Any

from holdfast.domain.audit import AuditRecord
from holdfast.domain.names import SecretName
from holdfast.errors import Conflict
from holdfast.ports import ClientRecord, VaultTotals
from holdfast.stores.postgres.database import Connection, Database
from holdfast.stores.postgres.queries import load
from holdfast.stores.postgres.transaction import audit_columns


async def _record(connection: Connection, record: AuditRecord) -> None:
    await connection.execute(load("ledger")["record"], *audit_columns(record))


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
            await _record(connection, record)

    async def secret_hash(self, client_id: str) -> bytes | None:
        """See the port."""
        async with self._database.connection() as connection:
            found: bytes | None = await connection.fetchval(self._sql["client_hash"], client_id)
        return found

    async def remove(self, client_id: str, record: AuditRecord) -> bool:
        """See the port."""
        async with self._database.transaction() as connection:
            removed = await connection.fetch(self._sql["remove_client"], client_id)
            await _record(connection, record)
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

    async def history(self, name: SecretName, limit: int) -> list[AuditRecord]:
        """See the port."""
        async with self._database.connection() as connection:
            return [_audit_of(row) for row in await connection.fetch(self._sql["history"], name, limit)]

    async def totals(self) -> VaultTotals:
        """See the port."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(self._sql["vault_totals"])
        return VaultTotals(**dict(row))


def _audit_of(row: Mapping[str, Any]) -> AuditRecord:
    return AuditRecord(
        id=row["record_id"],
        name=row["secret_name"],
        user_id=row["user_id"],
        operation=row["operation"],
        success=row["success"],
        error_code=row["error_code"],
        error_message=row["error_message"],
        version=row["version"],
        source=row["source"],
        stale=row["stale"],
        ip_address=row["ip_address"],
        user_agent=row["user_agent"],
        request_id=row["request_id"],
        timestamp=row["timestamp"],
    )
