"""What Key Vault must still learn of, and who mirrors it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from holdfast.domain.intent import Intent, IntentKind
from holdfast.domain.names import SecretName


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalStatus:
    """What waits for Key Vault. Counts, and the age of the oldest open intent."""

    open: int
    parked: int
    oldest_open_at: datetime | None


class Journal(Protocol):
    """The intents at the commit point, handed out under leases with fences."""

    async def claim(self, *, limit: int, lease: timedelta, name: SecretName | None = None) -> list[Intent]:
        """Lease the lowest open intent of each of up to ``limit`` secrets that are due and not leased by another.

        A secret with a parked intent is left out. ``attempts`` of each claimed intent is one higher afterwards.
        """

    async def complete(
        self, intent: Intent, *, vault_version_id: str | None = None, vault_updated_at: datetime | None = None
    ) -> bool:
        """Close an intent under its fence and store the vault's id of the version; False if the lease was lost."""

    async def release(self, intent: Intent, error: str, *, retry_in: timedelta) -> bool:
        """Give the lease back for a later attempt; False if it was lost."""

    async def park(self, intent: Intent, error: str) -> bool:
        """Take an intent out of the replay until a person decides; False if the lease was lost."""

    async def unpark(self, name: SecretName | None = None) -> int:
        """Reopen parked intents, of one secret or all; returns how many."""

    async def discard(self, name: SecretName) -> int:
        """Give up the parked intents of a secret (the vault's state stands); returns how many."""

    async def is_held(self, name: SecretName) -> bool:
        """Whether somebody has an open intent of a secret in hand, under a lease that has not run out."""

    async def is_settled(self, intent_id: UUID) -> bool:
        """Whether an intent is done or superseded."""

    async def waiting(self) -> list[SecretName]:
        """All names with open or parked intents."""

    async def is_purging(self, name: SecretName) -> bool:
        """Whether Key Vault has yet to purge an earlier incarnation of a name."""

    async def find(self, intent_ids: Collection[UUID]) -> Mapping[UUID, Intent]:
        """Return those of these intents that this installation ever journalled, in whatever state."""

    async def is_disputed(
        self, incarnation: UUID, kind: IntentKind, *, undone_by: IntentKind, within: timedelta
    ) -> bool:
        """Whether a request of an intent of a kind may still arrive at Key Vault, though a later one is in effect.

        So it is if the intent had more than one attempt and was settled within that time, and one of the kind that
        undoes it was settled after it.
        """

    async def last_written(self, incarnation: UUID, version: int) -> UUID | None:
        """Return the newest set or update intent of a version, in whatever state."""

    async def purged_at(self, name: SecretName) -> datetime | None:
        """When the last purge of a name was accepted here, or None."""

    async def status(self) -> JournalStatus:
        """Counts for health."""

    async def parked(self) -> list[Intent]:
        """All parked intents, oldest first."""
