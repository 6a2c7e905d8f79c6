"""How far the mirror follows Key Vault: who goes over the vault, when that went through, and what it cannot take in."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

MISSED_PASSES: Final = 3
"""Intervals without a pass that went through, after which that is a fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncLease:
    """The lead of one pass over the vault, which began at ``started_at`` by the database's clock."""

    fence: int
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncStatus:
    """The last pass that went through, and what became of the one after it.

    ``first_tried_at``: when the first pass ever began. ``last_error``: why the last one did not go through.
    ``lacking``: what a pass that went through could not see all the same.
    """

    last_started_at: datetime | None
    last_finished_at: datetime | None
    last_error: str | None
    first_tried_at: datetime | None = None
    lacking: str | None = None

    def fault(self, interval: timedelta, now: datetime) -> str | None:
        """What is wrong with the mirroring, in words; None: nothing. ``interval`` lies between two passes."""
        if self.last_finished_at is None:
            since = self.first_tried_at
            late = since is not None and now - since > MISSED_PASSES * interval
            text = "The mirror was never compared with the whole Key Vault"
            return f"{text}{self._reason}." if late or self.last_error else None
        if now - self.last_finished_at <= MISSED_PASSES * interval:
            return None
        since_then = f"since {self.last_finished_at:%Y-%m-%d %H:%M} UTC"
        return f"The mirror was not compared with the whole Key Vault {since_then}{self._reason}."

    @property
    def _reason(self) -> str:
        return f" ({self.last_error.rstrip('.')})" if self.last_error else ""


class SyncState(Protocol):
    """Who mirrors the vault. One node leads at a time, under a lease with a fence, by the database's clock."""

    async def lead(self, node: UUID, lease: timedelta) -> SyncLease | None:
        """Begin a pass; None while another node leads."""

    async def renew(self, held: SyncLease, lease: timedelta) -> bool:
        """Hold the lead for longer; False if it was lost."""

    async def finish(self, held: SyncLease, *, error: str | None = None, lacking: str | None = None) -> bool:
        """End a pass, gone through or not, and give up the lead; False if it was lost."""

    async def status(self) -> SyncStatus:
        """What to report about the mirroring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptOut:
    """A name in Key Vault that cannot be mirrored now; what the mirror has of it is served on.

    ``name``: canonical where it is a secret's name; else what can be shown of it. ``reason``: a code that is safe to
    match on; ``detail``: the same in words. ``since``: of the first failure in a row. ``vault_updated_at``: its
    `updated` time in Key Vault's listing when it failed last, where that is known.
    """

    name: str
    reason: str
    detail: str
    since: datetime
    attempts: int
    next_attempt_at: datetime
    vault_updated_at: datetime | None = None


class KeptOutStore(Protocol):
    """The names that cannot be mirrored now."""

    async def put(self, kept: KeptOut) -> None:
        """Store a name, over what is stored of it."""

    async def forget(self, names: Collection[str]) -> None:
        """Remove names: they are mirrored, or gone from Key Vault."""

    async def names(self, *, limit: int) -> Sequence[KeptOut]:
        """Those that are kept out, in name order."""

    async def count(self) -> int:
        """How many there are."""
