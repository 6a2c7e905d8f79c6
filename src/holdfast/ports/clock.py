"""Time."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from holdfast.domain.audit import AuditRecord
from holdfast.ports.sealing import unambiguous


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockAcceptance:
    """Somebody's word that PostgreSQL's clock is right although it went back.

    ``number``: grows with each. ``moment``: what the clock showed; ``believed``: the latest time that anybody took for
    the present until then.
    """

    number: int
    moment: datetime
    believed: datetime
    accepted_by: str
    attestation: str = ""

    def facts(self) -> bytes:
        """The facts whose editing would bring the past back, as unambiguous bytes for ``Sealer.attest``."""
        moments = (each.astimezone(UTC).isoformat() for each in (self.moment, self.believed))
        return unambiguous("clock", str(self.number), *moments, self.accepted_by)


class Clock(Protocol):
    """Time. Durations are measured with ``monotonic`` only; ``now`` is for what people and databases compare."""

    def now(self) -> datetime:
        """The present moment in UTC, by the database's clock where one is known."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    async def sleep(self, seconds: float) -> None:
        """Wait; a virtual clock returns when its time has been moved on."""


class DatabaseClock(Protocol):
    """The clock of the commit point, as it is, believed or not."""

    async def look(self) -> tuple[datetime, datetime]:
        """What it shows, and the time of the newest audit record (what it shows, where there is none)."""

    async def accept(self, moment: datetime, believed: datetime, accepted_by: str, record: AuditRecord) -> None:
        """Store somebody's word for it, attested, with the record of that: every node hears of it within a second."""
