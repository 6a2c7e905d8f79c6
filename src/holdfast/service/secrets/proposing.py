"""A change that Key Vault is asked about before it counts here: how that ends.

It ends exactly once, under a fence: taken, refused, or, where no one knows or no one asks any more, accepted. So a
death between the question and the answer leaves nothing half: whoever finds the proposal with its lease run out accepts
it, and the replay finds out what Key Vault has of it.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from msgspec import structs

from holdfast.domain.audit import AuditRecord, printable
from holdfast.domain.intent import IntentKind, IntentState
from holdfast.domain.names import SecretName
from holdfast.errors import BackendUnavailable, HoldfastError, IntegrityFailure, Rejected, shown
from holdfast.ports import Clock, Head, Ledger, LedgerTransaction, Orphan, Sealer
from holdfast.resilience.events import Event, Log
from holdfast.service.crashpoints import Crashpoint, no_crash
from holdfast.service.secrets.changes import Change, Enactor
from holdfast.service.secrets.coherence import Coherence
from holdfast.service.secrets.idempotency import Made, refusal

_log: Final = Log(__name__)

PROPOSAL_LEASE: Final = timedelta(seconds=20)
"""How long Key Vault may be asked about a change before any node accepts it on behalf of whoever asked."""

FIRST_FENCE: Final = 1
"""The fence of whoever makes a proposal."""

_AGAIN: Final = timedelta(seconds=1)
_MAX_ERROR: Final = 500


@dataclass(frozen=True, slots=True)
class Taken:
    """Key Vault has the change. ``strangers``: it has newer versions than ours, to be taken over."""

    vault_version_id: str | None = None
    vault_updated_at: datetime | None = None
    strangers: bool = False


class Proposals:
    """Makes and ends proposals.

    Args:
        kept: hears of records that were committed earlier, or by others, with the change that they are about.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        sealer: Sealer,
        coherence: Coherence,
        clock: Clock,
        kept: Callable[[Sequence[AuditRecord]], None],
        crashpoint: Crashpoint = no_crash,
    ) -> None:
        self._ledger, self._coherence, self.enactor = ledger, coherence, Enactor(sealer)
        self._clock, self._kept, self._crashpoint = clock, kept, crashpoint

    async def propose(self, tx: LedgerTransaction, change: Change) -> None:
        """Keep a change for as long as Key Vault is asked about it. No one sees anything of it.

        Raises:
            ChangePending: there is another one of this name.
        """
        await tx.add_intent(change.intent_id, change.head, change.kind, change.subject)
        await tx.propose(change.intent_id, change.name, self.enactor.sealed(change), PROPOSAL_LEASE)

    async def enact(
        self, change: Change, fence: int, taken: Taken | None = None, error: HoldfastError | None = None
    ) -> bool:
        """Make the change: Key Vault has it, or else learns of it by replay. False if somebody else decided.

        Raises:
            IntegrityFailure: it does not fit the rows any more, so they were edited.
        """
        async with self._ledger.transaction() as tx:
            head = await tx.lock(change.name, proposal=change.intent_id)
            text = as_text(error) if error else None
            pause = _AGAIN if error else timedelta()
            if await tx.conclude(change.intent_id, fence, IntentState.OPEN, error=text, retry_in=pause):
                revision = await self._enacted(tx, change, head, fence, taken)
            elif await tx.concluded(change.intent_id, fence) in (None, IntentState.REFUSED):
                self._kept([change.record])
                return False
            else:  # by this very call, whose commit was not confirmed; others may have changed it again since
                return await self._unheard(change, head)
        self._crashpoint("enacted")
        await self.committed(_with_id(change, taken), revision)
        if taken is not None:
            self._coherence.unsettled.settled(change.name, revision)
        return True

    async def _unheard(self, change: Change, head: Head | None) -> bool:
        self._kept([change.record])
        if head is not None:
            await self._coherence.committed(change.name, head.revision)
        return True

    async def _enacted(
        self, tx: LedgerTransaction, change: Change, head: Head | None, fence: int, taken: Taken | None
    ) -> int:
        if (head.revision if head else None) != change.before:
            raise IntegrityFailure(f"Secret {change.name!r} changed while it was held for another change")
        revision = await self.enactor.enact(tx, change)
        if taken is not None:
            await self._complete(tx, change, fence, taken)
        return revision

    async def _complete(self, tx: LedgerTransaction, change: Change, fence: int, taken: Taken) -> None:
        await tx.complete(change.intent_id, fence, taken.vault_version_id, taken.vault_updated_at)
        if change.kind is IntentKind.SET and taken.vault_version_id is not None:  # the id that the caller will be told
            told = _with_id(change, taken).version.told()
            made = Made.of(told, change.intent_id, change.dropped, change.head.display_name)
            await tx.answer_otherwise(change.name, change.intent_id, made.answer())

    async def refuse(self, change: Change, fence: int, error: HoldfastError) -> bool:
        """End a change that Key Vault refuses: it is as if it had never been made. False if somebody else decided."""
        refused = await self._refuse(change.name, change.intent_id, fence, error)
        if not refused:
            self._kept([change.record])
        return refused

    async def _refuse(self, name: SecretName, intent_id: UUID, fence: int, error: HoldfastError) -> bool:
        async with self._ledger.transaction() as tx:
            if not await tx.conclude(intent_id, fence, IntentState.REFUSED, error=as_text(error)):
                return await tx.concluded(intent_id, fence) is IntentState.REFUSED  # and no one heard of it
            await tx.answer_otherwise(name, intent_id, refusal(error))
        return True

    async def enact_orphan(self, orphan: Orphan) -> None:
        """Accept a change whose maker is gone.

        Raises:
            BackendUnavailable: PostgreSQL does not answer; it is done later.
        """
        intent = orphan.intent
        try:
            change = self.enactor.opened(intent, orphan.sealed)
            await self.enact(change, intent.fence or 0)
        except IntegrityFailure as error:
            _log(Event.CHANGE_GIVEN_UP, name=intent.name, reason=error)
            given_up = Rejected(f"The change of {intent.name!r} was given up, and nothing has changed: {error}")
            await self._refuse(intent.name, intent.id, intent.fence or 0, given_up)

    async def renamed(self, change: Change) -> None:
        """Key Vault took a version that counted already: let the caches hold it under the id that it gave."""
        with suppress(BackendUnavailable):  # then they hold nothing until the next read
            found = await self._ledger.version(change.name, change.version.version) if change.journalled else None
            if found is not None and found[1] is not None and found[1].version.current:
                taken = Taken(found[1].version.told_id, found[0].vault_updated_at)
                await self.committed(_with_id(change, taken), found[0].revision)

    async def committed(self, change: Change, revision: int) -> None:
        """Let the caches hold what readers get from now on, before anybody is told of it."""
        if change.kind is IntentKind.PURGE:
            await self._coherence.purged(change.name, revision)
        else:
            await self._coherence.committed(change.name, revision, change.standing(self._clock.now()))


def _with_id(change: Change, taken: Taken | None) -> Change:
    """The change as readers see it: the first id that Key Vault gave is the version's."""
    if taken is None or taken.vault_version_id is None:
        return change
    told = change.version.told_id or taken.vault_version_id
    version = structs.replace(change.version, told_id=told, vault_version_id=taken.vault_version_id)
    head = replace(change.head, vault_version_id=taken.vault_version_id, vault_updated_at=taken.vault_updated_at)
    return replace(change, head=head, version=version)


def as_text(error: Exception) -> str:
    """The error as the journal keeps it."""
    code = f"{error.code}: " if isinstance(error, HoldfastError) else ""
    return printable(code + shown(error), _MAX_ERROR) or ""
