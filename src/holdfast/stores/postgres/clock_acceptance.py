"""PostgreSQL's clock as it is, and who vouched for it: all nodes learn of that with their heartbeat."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from holdfast.domain.audit import AuditRecord
from holdfast.ports import ClockAcceptance, Sealer
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.outbox import put_record
from holdfast.stores.postgres.queries import load


class PostgresClock:
    """Implements ``ports.DatabaseClock``."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database, self._sealer = database, sealer
        self._sql = load("clock")

    async def look(self) -> tuple[datetime, datetime]:
        """See the port."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(self._sql["look"])
        return row["now"], row["newest"] or row["now"]

    async def accept(self, moment: datetime, believed: datetime, accepted_by: str, record: AuditRecord) -> None:
        """See the port."""
        async with self._database.transaction() as connection:
            acceptance = ClockAcceptance(
                number=1 + (await connection.fetchval(self._sql["last"]) or 0),
                moment=moment,
                believed=believed,
                accepted_by=accepted_by,
            )
            attestation = self._sealer.attest(acceptance.facts())
            await connection.execute(self._sql["accept"], acceptance.number, moment, believed, accepted_by, attestation)
            await put_record(connection, record)
        self._database.recorded()


def acceptance_of(row: Mapping[str, Any]) -> ClockAcceptance:
    """An acceptance as it is stored."""
    names = ("number", "moment", "believed", "accepted_by", "attestation")
    return ClockAcceptance(**{name: row[name] for name in names})
