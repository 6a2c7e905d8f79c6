"""Telling of a change: to Key Vault through the journal, to caches at once."""

from typing import Protocol
from uuid import UUID

from holdfast.domain.intent import IntentKind
from holdfast.domain.names import SecretName
from holdfast.domain.secret import SecretVersion
from holdfast.domain.validation import check_room
from holdfast.ports import Head, LedgerTransaction
from holdfast.service.secrets.coherence import Coherence
from holdfast.service.secrets.content import Content


class Pusher(Protocol):
    """Brings a committed change to Key Vault at once, if that is possible."""

    async def push(self, name: SecretName, intent_id: UUID) -> bool:
        """Whether Key Vault has the change when this returns, within the write deadline."""


class Announcer:
    """Journals changes inside their transaction, and announces them after it.

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
        """Write down what Key Vault must learn of, in the transaction of the change.

        Raises:
            InvalidInput: Key Vault would refuse it. That can only be with content that was not made here.
        """
        if self._pusher is not None:
            if kind is IntentKind.SET and version is not None:
                check_room(version.attributes.tags)
            await tx.add_intent(intent_id, head, kind, version)

    async def announce(
        self, name: SecretName, revision: int, intent_id: UUID | None, standing: Content | None = None
    ) -> bool:
        """After the commit: caches forget what it outdated, Key Vault is told, of what was journalled at least.

        ``standing``: what readers get from now on, which the caches hold at once; None: nothing.

        Returns whether Key Vault has it.
        """
        await self._coherence.committed(name, revision, standing)
        if intent_id is None:
            return True
        replicated = await self.replicated(name, intent_id)
        if replicated:
            self._coherence.unsettled.settled(name, revision)
        return replicated

    async def announce_purge(self, name: SecretName, revision: int, intent_id: UUID | None) -> None:
        """The same after a purge, with which the rules for that one secret ended."""
        await self._coherence.purged(name, revision)
        if intent_id is not None:
            await self.replicated(name, intent_id)

    async def replicated(self, name: SecretName, intent_id: UUID) -> bool:
        """Whether Key Vault has the change of an intent, trying once more if it does not."""
        return self._pusher is None or await self._pusher.push(name, intent_id)
