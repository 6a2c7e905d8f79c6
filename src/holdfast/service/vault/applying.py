"""One intent at Key Vault: look whether it is so already, act, make sure.

Nothing here trusts that an earlier attempt failed: what it may have done is looked for first. Key Vault offers no
conditional writes and no fence, so an attempt that outlives its lease must not send anything any more.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from holdfast.domain.intent import Intent, IntentKind, IntentState
from holdfast.domain.names import SecretName
from holdfast.domain.secret import Attributes, SecretValue, State
from holdfast.errors import (
    IntegrityFailure,
    Rejected,
    SecretDeleted,
    SecretDisabled,
    SecretNotFound,
    TransitionPending,
    VaultRefusal,
)
from holdfast.ports import Clock, Head, Journal, Ledger, Sealer, StoredVersion, Vault, VaultVersion
from holdfast.service.crashpoints import Crashpoint, no_crash
from holdfast.service.secrets.mirror import Mirrored, place_of
from holdfast.service.secrets.proposing import Taken
from holdfast.service.vault.adoption import Adopter
from holdfast.service.vault.primary import Primary
from holdfast.service.vault.sighting import (
    all_versions,
    came_late,
    disclose,
    in_order,
    is_ours,
    may_be_ours,
    newest_disclosed,
)

T = TypeVar("T")

_LOOKS: Final = 3


@dataclass(slots=True)
class Attempt:
    """One lease on an intent: nothing is sent after ``until`` on the monotonic clock.

    ``limbo_since``: since when Key Vault has been settling, as far as was seen until now.
    """

    intent: Intent
    until: float
    background: bool
    limbo_since: datetime | None = None

    @property
    def name(self) -> SecretName:
        """The secret."""
        return self.intent.name


class _LeaseOver(Exception):
    """Nothing was sent. No ``HoldfastError``, which a breaker would take for an answer of the vault."""


class Applier:
    """Brings intents into effect at Key Vault.

    Args:
        settling: how long a secret may be neither there nor deleted before that counts as an answer.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        sealer: Sealer,
        primary: Primary,
        adopter: Adopter,
        journal: Journal,
        clock: Clock,
        settling: timedelta = timedelta(seconds=60),
        crashpoint: Crashpoint = no_crash,
    ) -> None:
        self._ledger, self._sealer, self._primary, self._adopter = ledger, sealer, primary, adopter
        self._journal = journal
        self._clock, self._settling, self._crashpoint = clock, settling, crashpoint
        self._steps: Mapping[IntentKind, Callable[[Attempt], Awaitable[Taken]]] = {
            IntentKind.SET: self._set,
            IntentKind.UPDATE: self._update,
            IntentKind.DELETE: self._delete,
            IntentKind.RECOVER: self._recover,
            IntentKind.PURGE: self._purge,
        }

    async def apply(self, attempt: Attempt) -> Taken:
        """Bring an intent into effect; returns once Key Vault confirms it.

        Raises:
            TransitionPending: something is still settling; look again soon.
            BackendUnavailable: Key Vault or the ledger does not answer; what was sent may have taken effect.
            Rejected, SecretDeleted, IntegrityFailure, KeyUnavailable: a person must decide; the text says the mend.
        """
        return await self._steps[attempt.intent.kind](attempt)

    def settles_in(self, attempt: Attempt) -> timedelta:
        """How much is left of the time for what Key Vault settles; none where it settles nothing."""
        since = attempt.limbo_since
        return max(since + self._settling - self._clock.now(), timedelta()) if since else timedelta()

    def takes_changes(self) -> bool:
        """Whether nothing speaks against Key Vault taking a change now."""
        return self._primary.takes_changes()

    async def offer(self, attempt: Attempt, value: SecretValue | None) -> Taken:
        """Make a change that does not count here yet; what others wrote there has been looked for already.

        Raises:
            Whatever ``apply`` raises.
        """
        if attempt.intent.kind is IntentKind.SET and value is not None:
            return await self._put(attempt, value)
        if (
            attempt.intent.kind is IntentKind.RECOVER
        ):  # Key Vault has confirmed the deletion, or it would be asked later
            attempt.limbo_since = self._clock.now() - self._settling
        return await self.apply(attempt)

    async def look_ahead(self, name: SecretName) -> None:
        """Take over what others wrote, so that a set comes after it.

        Raises:
            BackendUnavailable: Key Vault or the ledger does not answer.
        """
        looked_into = None
        for _ in range(_LOOKS):
            newest = await self._newest(name, background=False)
            if newest is None or newest.vault_version_id == looked_into or await self._is_known(name, newest):
                return
            await self._adopter.refresh(name)
            looked_into = newest.vault_version_id

    # --- set -------------------------------------------------------------------------------------------------------

    async def _set(self, attempt: Attempt) -> Taken:
        mirrored = await self._mirrored(attempt.intent)
        if mirrored is None:
            return Taken()
        self._see_that_it_lives(attempt, mirrored[0])
        value = self._open(*mirrored)
        looked_into = None
        for _ in range(_LOOKS):
            newest = await self._newest(attempt.name, background=attempt.background)
            self._crashpoint("looked")
            if newest is None:
                await self._see_that_it_was_not_undone(attempt)
            if newest is None or newest.vault_version_id == looked_into or await self._is_former(attempt, newest):
                return await self._put(attempt, value)
            if is_ours(newest, attempt.intent, value):
                return Taken(newest.vault_version_id, newest.updated_at)
            if attempt.intent.attempts > 1 and (found := await self._find_ours(attempt, value)):
                return found
            if await self._is_known(attempt.name, newest):
                return await self._put(attempt, value)
            await self._adopter.refresh(attempt.name)
            looked_into = newest.vault_version_id
        raise TransitionPending(f"Secret {attempt.name!r} is being written in Key Vault all the time")

    def _see_that_it_lives(self, attempt: Attempt, head: Head) -> None:
        """What was refused before the secret was deleted is not to bring it back."""
        if attempt.intent.state is IntentState.PARKED and head.state is not State.ACTIVE:
            raise SecretDeleted(f"{attempt.name!r} was deleted here since: it is tried again once it is recovered.")

    async def _see_that_it_was_not_undone(self, attempt: Attempt) -> None:
        """A secret that was purged after the backup must not come back by itself."""
        if attempt.intent.restored and not await self._is_deleted(attempt):
            raise Rejected(
                f"Key Vault has no secret {attempt.name!r}, which may have been purged after the backup that this "
                "installation was restored from: purge it here too, or retry the intent to write it there again."
            )

    async def _put(self, attempt: Attempt, value: SecretValue) -> Taken:
        intent = attempt.intent
        marker, attributes = intent.marker, _attributes(intent)
        try:
            made = await self._write(
                attempt, lambda vault: vault.set(intent.display_name, value, attributes, marker), creates=True
            )
        except SecretDeleted:
            raise SecretDeleted(
                f"Key Vault has {intent.name!r} as a deleted secret: recover or purge it there, then try again."
            ) from None
        return Taken(made.vault_version_id, made.updated_at)

    async def _newest(self, name: SecretName, *, background: bool) -> VaultVersion | None:
        try:
            newest = await newest_disclosed(self._primary, name, background=background)
        except SecretNotFound:
            return None
        if newest is not None:
            return newest
        versions = in_order(await self._versions(name), None)
        return versions[-1] if versions else None

    async def _versions(self, name: SecretName) -> list[VaultVersion]:
        return await all_versions(self._primary, name)

    async def _is_former(self, attempt: Attempt, newest: VaultVersion) -> bool:
        """Whether nothing came after the version that the intent is to follow: no earlier attempt had an effect."""
        former = await self._ledger.version(attempt.name, (attempt.intent.version or 0) - 1)
        return bool(former and former[1] and former[1].version.vault_version_id == newest.vault_version_id)

    async def _is_known(self, name: SecretName, newest: VaultVersion) -> bool:
        known = await self._ledger.versions(name)
        return newest.vault_version_id in {version.vault_version_id for version in known}

    async def _find_ours(self, attempt: Attempt, value: SecretValue) -> Taken | None:
        """The version an earlier attempt made: the oldest that it can have been, since copies of it come later."""
        for version in in_order(await self._versions(attempt.name), None):
            if await self._is_of(attempt, version, value):
                return Taken(version.vault_version_id, version.updated_at, strangers=True)
        return None

    async def _is_of(self, attempt: Attempt, version: VaultVersion, value: SecretValue) -> bool:
        if attempt.intent.marker is not None:
            return version.marker is not None and version.marker.intent_id == attempt.intent.id
        if not may_be_ours(version, attempt.intent) or await self._is_known(attempt.name, version):
            return False
        told = await disclose(self._primary, attempt.name, version)
        return told is not None and told.reveal() == value.reveal()

    # --- update ----------------------------------------------------------------------------------------------------

    async def _update(self, attempt: Attempt) -> Taken:
        intent, mirrored = attempt.intent, await self._mirrored(attempt.intent)
        if mirrored is None:
            return Taken()
        stored = mirrored[1]
        attributes, marker = _attributes(intent), intent.marker
        vault_version_id = stored.version.vault_version_id or await self._vault_id(attempt)
        try:
            await self._write(attempt, lambda vault: vault.update(intent.name, vault_version_id, attributes, marker))
        except SecretNotFound:
            return await self._update_of_nothing(attempt)
        return Taken(vault_version_id, strangers=stored.sealed is None and attributes.enabled)

    async def _vault_id(self, attempt: Attempt) -> str:
        for version in in_order(await self._versions(attempt.name), None):
            if version.marker and version.marker.version == attempt.intent.version:
                return version.vault_version_id
        raise Rejected(
            f"Key Vault does not have version {attempt.intent.version} of {attempt.name!r}: "
            "discard the intent to let Key Vault's state stand, or set the secret anew."
        )

    async def _update_of_nothing(self, attempt: Attempt) -> Taken:
        if await self._is_deleted(attempt):
            raise SecretDeleted(
                f"Key Vault has {attempt.name!r} as a deleted secret: recover it there, then retry the intent."
            )
        self._wait_while_settling(attempt)
        raise Rejected(
            f"Key Vault does not have the version of {attempt.name!r} to update: discard the intent, or set it anew."
        )

    # --- delete, recover, purge --------------------------------------------------------------------------------------

    async def _delete(self, attempt: Attempt) -> Taken:
        if await self._is_deleted(attempt):
            return Taken()
        if attempt.intent.restored:
            await self._see_that_nothing_came_after(attempt)
        try:
            await self._write(attempt, lambda vault: vault.delete(attempt.name))
        except SecretNotFound:
            self._wait_while_settling(attempt)
            return Taken()  # there is nothing to delete
        if not await self._is_deleted(attempt):
            self._wait(attempt)
        return Taken()

    async def _recover(self, attempt: Attempt) -> Taken:
        if await self._is_deleted(attempt):
            await self._write(attempt, lambda vault: vault.recover(attempt.name))
        if await self._is_live(attempt):
            return Taken()
        self._wait_while_settling(attempt)
        raise VaultRefusal(
            f"Key Vault has no deleted secret {attempt.name!r} to recover: somebody purged it there. "
            "Purge it here too, then set it anew.",
            status=404,
            vault_code="SecretNotFound",
        )

    async def _purge(self, attempt: Attempt) -> Taken:
        if await self._is_live(attempt):
            await self._delete_before_purge(attempt)
        if await self._is_deleted(attempt):
            await self._write(attempt, lambda vault: vault.purge(attempt.name))
            if await self._is_deleted(attempt):
                self._wait(attempt)
            return Taken()
        self._wait_while_settling(attempt)
        return Taken()

    async def _delete_before_purge(self, attempt: Attempt) -> None:
        """The purge made the deletion void before it came, or a set of ours came late; else somebody recovered it."""
        newest = await self._newest(attempt.name, background=attempt.background)
        if not await came_late(newest, attempt.intent, self._journal):
            raise VaultRefusal(
                f"Key Vault has no deleted secret {attempt.name!r} to purge: somebody recovered it there, and it is "
                "in use again. Delete it, then purge it.",
                status=404,
                vault_code="SecretNotFound",
            )
        await self._see_that_nothing_came_after(attempt)
        await self._write(attempt, lambda vault: vault.delete(attempt.name))

    async def _see_that_nothing_came_after(self, attempt: Attempt) -> None:
        """What others created since is not ours to destroy, nor what we created after a backup and know no more of.

        Key Vault counts whole seconds.
        """
        newest = await self._newest(attempt.name, background=attempt.background)
        accepted_at = attempt.intent.created_at
        if newest is None or accepted_at is None or newest.created_at <= accepted_at:
            return
        if newest.marker is None or attempt.intent.restored:
            raise Rejected(
                f"Key Vault has a secret {attempt.name!r} that was created after the {attempt.intent.kind} was "
                "accepted: discard the intent to adopt it, or delete it and retry."
            )

    # --- looking and sending -----------------------------------------------------------------------------------------

    async def _is_deleted(self, attempt: Attempt) -> bool:
        return await self._primary.read(
            attempt.name, lambda vault: vault.is_deleted(attempt.name), background=attempt.background
        )

    async def _is_live(self, attempt: Attempt) -> bool:
        try:
            await self._primary.read(attempt.name, lambda vault: vault.get(attempt.name), background=attempt.background)
        except SecretDisabled:
            return True
        except SecretNotFound:
            return False
        return True

    async def _write(self, attempt: Attempt, change: Callable[[Vault], Awaitable[T]], *, creates: bool = False) -> T:
        def send(vault: Vault) -> Awaitable[T]:
            if self._clock.monotonic() >= attempt.until:
                raise _LeaseOver
            return change(vault)

        attempt.limbo_since = None  # what is sent now begins to settle now, whatever was settling before
        self._crashpoint("sending")
        try:
            answer = await self._primary.write(attempt.name, send, creates=creates, background=attempt.background)
        except _LeaseOver:
            raise TransitionPending("The lease ran out before the change was sent") from None
        self._crashpoint("sent")
        return answer

    def _wait_while_settling(self, attempt: Attempt) -> None:
        """Come back later, unless that has been going on for longer than anything takes to settle."""
        now = self._clock.now()
        attempt.limbo_since = min(attempt.limbo_since or now, now)  # a clock that was ahead may have noted it
        if self.settles_in(attempt):
            self._wait(attempt)

    def _wait(self, attempt: Attempt) -> None:
        raise TransitionPending(f"Key Vault is still settling an earlier change of {attempt.name!r}")

    # --- the mirror's side -------------------------------------------------------------------------------------------

    async def _mirrored(self, intent: Intent) -> Mirrored | None:
        """The version of an intent; None if its incarnation was purged meanwhile.

        Raises:
            IntegrityFailure: the version alone is gone.
        """
        found = await self._ledger.version(intent.name, intent.version or 0)
        if found is None or found[0].incarnation != intent.incarnation:
            return None
        if found[1] is None:
            raise IntegrityFailure(f"Secret {intent.name!r} lost its version {intent.version}")
        return found[0], found[1]

    def _open(self, head: Head, stored: StoredVersion) -> SecretValue:
        if stored.sealed is None:
            raise Rejected(f"The mirror holds no value for version {stored.version.version} of {head.name!r}: set it.")
        return self._sealer.open(place_of(head, stored.version), stored.sealed)


def _attributes(intent: Intent) -> Attributes:
    if intent.attributes is None:
        raise Rejected(f"Intent {intent.id} carries no attributes: discard it.")
    return intent.attributes
