"""The audit trail, and figures over everything stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from holdfast.domain.audit import AuditRecord
from holdfast.domain.names import SecretName


class AuditLog(Protocol):
    """The audit trail."""

    async def append(self, record: AuditRecord) -> None:
        """Return when the record is durable in at least one sink.

        Raises:
            AuditUnavailable: no sink took it.
        """


class AuditSink(Protocol):
    """One place that keeps audit records."""

    async def write(self, records: Sequence[AuditRecord]) -> None:
        """Return when all of these records are durable here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultTotals:
    """Counts over all secrets: active ones, and how many of those expire within 30 days, have expired, lack an enabled
    rotation policy; deleted ones; ones whose drift from Key Vault awaits a person."""

    total: int
    expiring_soon: int
    expired: int
    without_rotation_policy: int
    deleted: int
    drifting: int


class Reports(Protocol):
    """Figures over everything stored."""

    async def history(self, name: SecretName, limit: int) -> list[AuditRecord]:
        """The newest audit records of a secret, newest first."""

    async def totals(self) -> VaultTotals:
        """Counts for health."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendHealth:
    """One backend as this node sees it. ``breakers`` maps "read" and "write" to closed, open or half-open."""

    name: str
    configured: bool
    healthy: bool
    detail: str = ""
    breakers: Mapping[str, str] | None = None
