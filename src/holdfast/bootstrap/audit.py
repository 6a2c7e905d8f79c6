"""The audit trail of a node: sequencer, sinks, search."""

from typing import Final

from holdfast.config import Settings
from holdfast.ports import Clock
from holdfast.service.auditing import AuditTrail
from holdfast.stores.postgres.audit import PostgresAuditSink
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.trail import PostgresTrail
from holdfast.stores.spool import AuditSpool

_SPOOL: Final = "audit"
"""The folder of the local audit log in the data folder."""


class AuditParts:
    """The adapters and use cases of the audit trail, wired."""

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        self.archive, self.spool = PostgresAuditSink(database), AuditSpool(settings.data_dir / _SPOOL)
        self.trail = AuditTrail(self.spool.writer(), self.archive, self.spool, clock)
        self.search = PostgresTrail(database)
        database.recorded = self.trail.take_in

    async def close(self) -> None:
        """Return when every record has its place; the database must still be there."""
        await self.trail.aclose()
        self.spool.close()
        self.spool.forget_writer()
