"""Audit records that commit with the change they describe, and get their place in a chain right afterwards.

A place in a chain cannot be given inside the transaction of a change: a rollback would leave a gap.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeAlias

import msgspec

from holdfast.domain.audit import AuditRecord
from holdfast.errors import BackendUnavailable
from holdfast.stores.postgres.pools import Connection
from holdfast.stores.postgres.queries import load

HearsOfRecords: TypeAlias = Callable[[Sequence[AuditRecord]], None]

_stored: Final[ContextVar[list[AuditRecord] | None]] = ContextVar("stored", default=None)


@contextmanager
def noting_records() -> Iterator[list[AuditRecord]]:
    """Fill a list with the records, the very objects, that are stored meanwhile by this task and those it starts."""
    stored: list[AuditRecord] = []
    before = _stored.set(stored)
    try:
        yield stored
    finally:
        _stored.reset(before)


async def put_record(connection: Connection, record: AuditRecord) -> None:
    """Store a record within the transaction of ``connection``; call ``Database.recorded`` after the commit.

    Raises:
        BackendUnavailable: something in the database swallows records.
    """
    all_stored(await connection.execute(load("audit")["record"], as_stored(record)), 1)
    if (stored := _stored.get()) is not None:
        stored.append(record)


def as_stored(record: AuditRecord) -> str:
    """The text of a record that waits for its place."""
    return msgspec.json.encode(record).decode()


def all_stored(said: str, sent: int) -> None:
    """Compare what PostgreSQL says of an INSERT or COPY ("COPY 5": the last number is that of rows) with what was sent.

    A trigger may swallow rows, and the statement succeeds all the same.

    Raises:
        BackendUnavailable: fewer were stored.
    """
    if said.rpartition(" ")[2] != str(sent):
        raise BackendUnavailable(
            f"PostgreSQL did not store every audit record: {sent} sent, and it says {said!r}. "
            "Look for triggers and rules on secret_access_logs and audit_outbox that are not Holdfast's."
        )
