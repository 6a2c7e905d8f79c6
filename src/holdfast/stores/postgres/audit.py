"""Audit records into ``secret_access_logs``: a whole batch in one binary COPY."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from holdfast.domain.audit import AuditRecord
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.queries import load
from holdfast.stores.postgres.transaction import audit_columns

_COLUMNS: Final = (
    "record_id",
    "secret_name",
    "user_id",
    "operation",
    "success",
    "error_code",
    "error_message",
    "version",
    "source",
    "stale",
    "ip_address",
    "user_agent",
    "request_id",
    "timestamp",
)


class PostgresAuditSink:
    """Implements ``ports.AuditSink``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, records: Sequence[AuditRecord]) -> None:
        """See the port."""
        async with self._database.connection() as connection:
            await connection.copy_records_to_table(
                "secret_access_logs", records=map(audit_columns, records), columns=_COLUMNS
            )

    async def forget(self, older_than: timedelta) -> None:
        """Drop settled intents, shipment notes of that age, and idempotency records past their day."""
        async with self._database.transaction() as connection:
            for statement in load("housekeeping").values():
                await connection.execute(statement, older_than)

    async def write_once(self, batch: UUID, records: Sequence[AuditRecord]) -> None:
        """Store a batch that may have been stored before: the second time changes nothing."""
        async with self._database.transaction() as connection:
            fresh = await connection.fetchval(
                "INSERT INTO audit_shipments (batch) VALUES ($1) ON CONFLICT DO NOTHING RETURNING true", batch
            )
            if fresh:
                await connection.copy_records_to_table(
                    "secret_access_logs", records=map(audit_columns, records), columns=_COLUMNS
                )
