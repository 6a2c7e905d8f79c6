"""The audit trail, and figures over everything stored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from holdfast.domain.audit import AuditRecord
from holdfast.domain.chain import Entry


class AuditLog(Protocol):
    """The audit trail."""

    async def append(self, record: AuditRecord) -> None:
        """Return when the record is durable in at least one sink.

        Raises:
            AuditUnavailable: no sink took it.
        """


class AuditSink(Protocol):
    """One place that keeps audit records."""

    async def write(self, entries: Sequence[Entry]) -> None:
        """Return when all of these entries, of one chain, are durable here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainHead:
    """Where a chain ends."""

    writer: UUID
    boot: int
    seq: int
    hash: bytes


class AuditArchive(AuditSink, Protocol):
    """The place where all records of all writers end up."""

    async def write_once(self, entries: Sequence[Entry]) -> int:
        """Store entries of one chain, some of which may have been stored before; returns how many were not.

        Whoever finds another record in its place waits for ``take_in``, and that is an alarm.

        Raises:
            IntegrityFailure: one of them is refused, whenever it is tried.
        """

    async def take_in(self, extend: Callable[[Sequence[AuditRecord]], Sequence[Entry]], limit: int) -> Sequence[Entry]:
        """Store records that were committed with their change and have no place in a chain yet.

        ``extend`` is given up to ``limit`` of them, oldest first, and returns their entries; they are stored in the
        transaction that takes the records out of the waiting ones. Returns the entries; none when nothing waited. What
        cannot be read, or is refused for what it is, is set aside; ``extend`` may be asked again then, for fewer.
        """

    async def waiting(self) -> bool:
        """Whether any record waits for ``take_in``."""

    async def last_head(self, writer: UUID) -> ChainHead | None:
        """The end of a writer's newest chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultTotals:
    """Counts over all secrets: active ones, and how many of those expire within 30 days, have expired, lack an enabled
    rotation policy; deleted ones; ones whose drift from Key Vault awaits a person; active ones whose expiry there no
    date can hold."""

    total: int
    expiring_soon: int
    expired: int
    without_rotation_policy: int
    deleted: int
    drifting: int
    beyond_dates: int


class Reports(Protocol):
    """Figures over everything stored."""

    async def totals(self) -> VaultTotals:
        """Counts for health."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendHealth:
    """One backend as this node sees it.

    ``breakers`` maps "read" and "write" to closed, open or half-open. ``down_since``: when it was first seen unhealthy.
    ``calls``: those of this node within the last ten seconds, by what its quota counts apart.
    """

    name: str
    configured: bool
    healthy: bool
    detail: str = ""
    breakers: Mapping[str, str] | None = None
    down_since: datetime | None = None
    calls: Mapping[str, int] | None = None
