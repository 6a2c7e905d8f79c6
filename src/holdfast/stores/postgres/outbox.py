"""Audit records that commit with the change they describe, and get their place in a chain right afterwards.

A place in a chain cannot be given inside the transaction of a change: a rollback would leave a gap.
"""

import msgspec

from holdfast.domain.audit import AuditRecord
from holdfast.stores.postgres.database import Connection
from holdfast.stores.postgres.queries import load


async def put_record(connection: Connection, record: AuditRecord) -> None:
    """Store a record within the transaction of ``connection``; call ``Database.recorded`` after the commit."""
    await connection.execute(load("audit")["record"], msgspec.json.encode(record).decode())
