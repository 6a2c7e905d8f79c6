"""Telling Key Vault of a change: before it counts here, or through the journal."""

import enum
from typing import Protocol
from uuid import UUID

from holdfast.domain.intent import IntentKind
from holdfast.domain.names import SecretName
from holdfast.domain.secret import SecretVersion
from holdfast.ports import Head, LedgerTransaction
from holdfast.service.secrets.changes import Change
from holdfast.service.secrets.coherence import Coherence
from holdfast.service.secrets.proposing import Taken


class Reach(enum.Enum):
    """How a change comes to Key Vault."""

    ASK = "it is asked first"
    PUSH = "the change is accepted, and pushed at once if that is possible"
    REPLAY = "the change is accepted, and replayed later"


class Pusher(Protocol):
    """The way to Key Vault."""

    async def push(self, name: SecretName, intent_id: UUID) -> bool:
        """Whether Key Vault has a committed change when this returns, within the write deadline."""

    async def reach(self, name: SecretName, kind: IntentKind) -> Reach:
        """Find out how a change gets there, and take over first what others wrote there."""

    async def offer(self, change: Change) -> Taken:
        """Make a change at Key Vault that does not count here yet, in one attempt.

        Raises:
            VaultRefusal, SecretDeleted, NameRefused, and other kinds of refusal: it refuses the change.
            BackendUnavailable, TransitionPending: it is away, or settling, or no one knows what became of it.
        """

    async def taken(self, name: SecretName, taken: Taken | None) -> None:
        """A change that was offered counts now: see to what is left to do."""

    async def refusal(self, name: SecretName) -> str | None:
        """Why Key Vault refuses what waits of a secret; None if it does not."""

    def wake(self) -> None:
        """Let the replay look at the journal now."""


class Announcer:
    """Knows whether there is a Key Vault at all.

    Args:
        pusher: None when this installation stands alone: there is no journal then.
    """

    def __init__(self, coherence: Coherence, pusher: Pusher | None) -> None:
        self._coherence, self._pusher = coherence, pusher

    async def journal(
        self,
        tx: LedgerTransaction,
        intent_id: UUID,
        head: Head,
        kind: IntentKind,
        version: SecretVersion | None = None,
    ) -> None:
        """Write down what Key Vault must learn of, in the transaction of the change."""
        if self._pusher is not None:
            await tx.add_intent(intent_id, head, kind, version)

    async def announce(self, name: SecretName, revision: int, intent_id: UUID) -> bool:
        """After the commit: caches forget what it outdated, Key Vault is told. Returns whether Key Vault has it."""
        await self._coherence.committed(name, revision)
        return await self.settled(name, intent_id)

    async def reach(self, name: SecretName, kind: IntentKind) -> Reach:
        """How a change comes to Key Vault now."""
        return await self._pusher.reach(name, kind) if self._pusher else Reach.PUSH

    async def offer(self, change: Change) -> Taken:
        """See ``Pusher.offer``."""
        return await self._pusher.offer(change) if self._pusher else Taken()

    async def taken(self, name: SecretName, taken: Taken | None) -> None:
        """See ``Pusher.taken``."""
        if self._pusher is not None:
            await self._pusher.taken(name, taken)

    async def replicated(self, change: Change, revision: int, *, push: bool = True) -> bool:
        """Whether Key Vault has a change that counts here, after trying to ``push`` it."""
        replicated = not change.journalled or await self._replicated(change, push=push)
        if replicated:
            self._coherence.unsettled.settled(change.name, revision)
        return replicated

    async def _replicated(self, change: Change, *, push: bool) -> bool:
        if push or self._pusher is None:
            return await self.settled(change.name, change.intent_id)
        self._pusher.wake()
        return False

    async def refusal(self, name: SecretName) -> str | None:
        """See ``Pusher.refusal``."""
        return await self._pusher.refusal(name) if self._pusher else None

    async def settled(self, name: SecretName, intent_id: UUID) -> bool:
        """Whether Key Vault has the change of an intent, trying once more if it does not."""
        return self._pusher is None or await self._pusher.push(name, intent_id)
