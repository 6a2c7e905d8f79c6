"""What Key Vault must still learn of, and who mirrors it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from holdfast.domain.intent import Intent, IntentKind, IntentState
from holdfast.domain.names import SecretName

STUCK_AFTER: Final = timedelta(minutes=5)
"""How long a change may be tried in vain before health says so."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """A proposal whose holder is gone: its intent, leased to whoever took it over, and the sealed change."""

    intent: Intent
    sealed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalStatus:
    """What waits for Key Vault. Counts, and the age of the oldest open intent.

    ``stuck`` of the open ones have failed, and were accepted more than ``STUCK_AFTER`` ago.
    """

    open: int
    parked: int
    oldest_open_at: datetime | None
    stuck: int = 0


class Journal(Protocol):
    """The intents at the commit point, handed out under leases with fences."""

    async def claim(self, *, limit: int, lease: timedelta, name: SecretName | None = None) -> list[Intent]:
        """Lease the lowest waiting intent of each of up to ``limit`` secrets that are due and not leased by another.

        Some go past lower ones that are parked (``domain.intent.GOES_PAST``).
        Parked ones are due each hour. Whatever was due first comes first. ``attempts`` of each claimed intent is one
        higher afterwards.
        """

    async def take_orphans(self, *, limit: int, lease: timedelta) -> list[Orphan]:
        """Lease proposals whose holder let its lease run out."""

    async def in_the_way(self, name: SecretName, kind: IntentKind) -> UUID | None:
        """Return the newest waiting intent that a change of this kind has to wait for, or None.

        It goes past some parked ones: ``domain.intent.GOES_PAST`` and ``OVERTAKES``.
        """

    async def complete(
        self, intent: Intent, *, vault_version_id: str | None = None, vault_updated_at: datetime | None = None
    ) -> bool:
        """Close an intent under its fence and store the vault's id of the version; False if the lease was lost."""

    async def release(
        self,
        intent: Intent,
        error: str,
        *,
        retry_in: timedelta,
        failed: bool = False,
        in_doubt: bool = True,
        limbo_since: datetime | None = None,
    ) -> bool:
        """Give the lease back for a later attempt; False if it was lost.

        Args:
            failed: it failed for a reason of its own, and not because the whole vault is away.
            in_doubt: it may have taken effect.
            limbo_since: since when Key Vault has been settling.
        """

    async def park(
        self, intent: Intent, error: str, *, retry_in: timedelta, in_doubt: bool = False, overtaken: bool = False
    ) -> IntentState | None:
        """Put an intent aside that cannot be made; return its state, or None if the lease was lost.

        Args:
            retry_in: when it is tried again all the same.
            in_doubt: it may have taken effect.
            overtaken: if a later one of the same secret makes it void, it is superseded by that one instead.
        """

    async def unpark(self, name: SecretName | None = None) -> int:
        """Reopen parked intents, of one secret or all, and let nothing wait any longer; returns how many."""

    async def discard(self, name: SecretName) -> int:
        """Give up what waits of a secret, open or parked (the vault's state stands); returns how many."""

    async def is_held(self, name: SecretName) -> bool:
        """Whether somebody has an intent of a secret in hand, under a lease that has not run out."""

    async def is_settled(self, intent_id: UUID) -> bool:
        """Whether an intent is done or superseded."""

    async def waiting(self) -> list[SecretName]:
        """All names with open or parked intents."""

    async def hands_off(self, name: SecretName) -> bool:
        """Whether what Key Vault has under a name is not to be taken over now.

        It has yet to purge an earlier incarnation, or is being asked about a change, or may have made a version of ours
        that carries no marker.
        """

    async def find(self, intent_ids: Collection[UUID]) -> Mapping[UUID, Intent]:
        """Return those of these intents that this installation ever journalled, in whatever state."""

    async def is_disputed(
        self, incarnation: UUID, kind: IntentKind, *, undone_by: IntentKind, within: timedelta
    ) -> bool:
        """Whether a request of an intent of a kind may still arrive at Key Vault, though a later one is in effect.

        So it is if the intent had more than one attempt and was settled within that time, and one of the kind that
        undoes it was settled after it.
        """

    async def is_deletion_void(self, incarnation: UUID) -> bool:
        """Whether the last deletion of a life was made void by its purge before Key Vault had it."""

    async def last_written(self, incarnation: UUID, version: int) -> UUID | None:
        """Return the newest set or update intent of a version, in whatever state."""

    async def purged_at(self, name: SecretName) -> datetime | None:
        """When the last purge of a name was accepted here, or None."""

    async def status(self) -> JournalStatus:
        """Counts for health."""

    async def parked(self, name: SecretName | None = None) -> list[Intent]:
        """The parked intents of one secret or all, oldest first."""

    async def open(self, *, limit: int = 1000) -> list[Intent]:
        """Open intents, those that have failed first, and then oldest first."""
