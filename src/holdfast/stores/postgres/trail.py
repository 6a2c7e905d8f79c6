"""Looking into the audit trail."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from holdfast.domain.audit import AuditRecord
from holdfast.domain.names import SecretName
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.queries import load

_decode: Final = msgspec.json.Decoder(AuditRecord).decode
_COLUMN_OF: Final = {name: name for name in AuditRecord.__struct_fields__} | {"name": "secret_name"}


class PostgresTrail:
    """Implements ``ports.AuditSearch``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = load("audit")

    async def history(self, name: SecretName, limit: int) -> list[AuditRecord]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["of_secret"], name, limit)
        found = [_decode(row["waiting"]) if row["waiting"] else record_in(row) for row in rows]
        return sorted(found, key=lambda record: record.timestamp, reverse=True)[:limit]


def record_in(row: Mapping[str, Any]) -> AuditRecord:
    """The record that a row of ``secret_access_logs`` holds."""
    return AuditRecord(**{name: row[column] for name, column in _COLUMN_OF.items()})
