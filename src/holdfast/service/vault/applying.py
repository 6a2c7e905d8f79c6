"""One intent at Key Vault: look whether it is so already, act, make sure.

Nothing here trusts that an earlier attempt failed: what it may have done is looked for first. Key Vault offers no
conditional writes and no fence, so an attempt that outlives its lease must not send anything any more.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar
from uuid import UUID

from holdfast.domain.intent import Intent, IntentKind, Marker
from holdfast.domain.names import SecretName
from holdfast.domain.secret import Attributes, SecretValue
from holdfast.errors import (
    BackendRefused,
    IntegrityFailure,
    Rejected,
    SecretDeleted,
    SecretDisabled,
    SecretNotFound,
    TransitionPending,
)
from holdfast.ports import Clock, Head, Ledger, Sealer, StoredVersion, Vault, VaultVersion
from holdfast.service.crashpoints import Crashpoint, no_crash
from holdfast.service.secrets.mirror import Mirrored, place_of
from holdfast.service.vault.adoption import Adopter
from holdfast.service.vault.primary import Primary
from holdfast.service.vault.sighting import all_versions, in_order, newest_disclosed

T = TypeVar("T")

MAX_TAGS: Final = 15
"""Tags per version that Key Vault takes. A version with that many foreign ones goes without our marker."""

_LOOKS: Final = 3
_REFUSALS: Final = 10
"""Attempts after which a purge that Key Vault refuses to our credential is put before a person."""


@dataclass(frozen=True, slots=True)
class Settled:
    """An intent is in effect. ``strangers``: Key Vault has newer versions than ours, to be taken over."""

    vault_version_id: str | None = None
    vault_updated_at: datetime | None = None
    strangers: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """One lease on an intent: nothing is sent after ``until`` on the monotonic clock."""

    intent: Intent
    until: float
    background: bool

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
        clock: Clock,
        settling: timedelta = timedelta(seconds=60),
        crashpoint: Crashpoint = no_crash,
    ) -> None:
        self._ledger, self._sealer, self._primary, self._adopter = ledger, sealer, primary, adopter
        self._clock, self._settling, self._crashpoint = clock, settling, crashpoint
        self._limbo_since: dict[UUID, float] = {}
        self._steps: Mapping[IntentKind, Callable[[Attempt], Awaitable[Settled]]] = {
            IntentKind.SET: self._set,
            IntentKind.UPDATE: self._update,
            IntentKind.DELETE: self._delete,
            IntentKind.RECOVER: self._recover,
            IntentKind.PURGE: self._purge,
        }

    async def apply(self, attempt: Attempt) -> Settled:
        """Bring an intent into effect; returns once Key Vault confirms it.

        Raises:
            TransitionPending: something is still settling; look again soon.
            BackendUnavailable: Key Vault or the ledger does not answer; what was sent may have taken effect.
            Rejected, SecretDeleted, IntegrityFailure, KeyUnavailable: a person must decide; the text says the mend.
        """
        settled = await self._steps[attempt.intent.kind](attempt)
        self.forget(attempt.intent.id)
        return settled

    def forget(self, intent_id: UUID) -> None:
        """Forget for how long an intent has been waiting for its secret to settle."""
        self._limbo_since.pop(intent_id, None)

    # --- set -------------------------------------------------------------------------------------------------------

    async def _set(self, attempt: Attempt) -> Settled:
        mirrored = await self._mirrored(attempt.intent)
        if mirrored is None:
            return Settled()
        value = self._open(*mirrored)
        looked_into = None
        for _ in range(_LOOKS):
            newest = await self._newest(attempt)
            self._crashpoint("looked")
            if newest is None:
                await self._see_that_it_was_not_undone(attempt)
            if newest is None or newest.vault_version_id == looked_into or await self._is_former(attempt, newest):
                return await self._put(attempt, value)
            if _is_ours(newest, attempt.intent, value):
                return Settled(newest.vault_version_id, newest.updated_at)
            if attempt.intent.attempts > 1 and (found := await self._find_ours(attempt)):
                return found
            if await self._is_known(attempt, newest):
                return await self._put(attempt, value)
            await self._adopter.refresh(attempt.name)
            looked_into = newest.vault_version_id
        raise TransitionPending(f"Secret {attempt.name!r} is being written in Key Vault all the time")

    async def _see_that_it_was_not_undone(self, attempt: Attempt) -> None:
        """A secret that was purged after the backup must not come back by itself."""
        if attempt.intent.restored and not await self._is_deleted(attempt):
            raise Rejected(
                f"Key Vault has no secret {attempt.name!r}, which may have been purged after the backup that this "
                "installation was restored from: purge it here too, or retry the intent to write it there again."
            )

    async def _put(self, attempt: Attempt, value: SecretValue) -> Settled:
        intent = attempt.intent
        marker, attributes = _marker(intent), _attributes(intent)
        try:
            made = await self._write(
                attempt, lambda vault: vault.set(intent.display_name, value, attributes, marker), creates=True
            )
        except SecretDeleted:
            raise SecretDeleted(
                f"Key Vault has {intent.name!r} as a deleted secret: recover or purge it there, then retry the intent."
            ) from None
        return Settled(made.vault_version_id, made.updated_at)

    async def _newest(self, attempt: Attempt) -> VaultVersion | None:
        try:
            newest = await newest_disclosed(self._primary, attempt.name, background=attempt.background)
        except SecretNotFound:
            return None
        if newest is not None:
            return newest
        versions = in_order(await self._versions(attempt.name), None)
        return versions[-1] if versions else None

    async def _versions(self, name: SecretName) -> list[VaultVersion]:
        return await all_versions(self._primary, name)

    async def _is_former(self, attempt: Attempt, newest: VaultVersion) -> bool:
        """Whether nothing came after the version that the intent is to follow: no earlier attempt had an effect."""
        former = await self._ledger.version(attempt.name, (attempt.intent.version or 0) - 1)
        return bool(former and former[1] and former[1].version.vault_version_id == newest.vault_version_id)

    async def _is_known(self, attempt: Attempt, newest: VaultVersion) -> bool:
        known = await self._ledger.versions(attempt.name)
        return newest.vault_version_id in {version.vault_version_id for version in known}

    async def _find_ours(self, attempt: Attempt) -> Settled | None:
        """The version an earlier attempt made: the oldest with our marker, since copies of it come later."""
        for version in in_order(await self._versions(attempt.name), None):
            if version.marker and version.marker.intent_id == attempt.intent.id:
                return Settled(version.vault_version_id, version.updated_at, strangers=True)
        return None

    # --- update ----------------------------------------------------------------------------------------------------

    async def _update(self, attempt: Attempt) -> Settled:
        intent, mirrored = attempt.intent, await self._mirrored(attempt.intent)
        if mirrored is None:
            return Settled()
        stored = mirrored[1]
        attributes = _attributes(intent)
        marker = _marker(intent) if len(attributes.tags) < MAX_TAGS else None
        vault_version_id = stored.version.vault_version_id or await self._vault_id(attempt)
        try:
            await self._write(attempt, lambda vault: vault.update(intent.name, vault_version_id, attributes, marker))
        except SecretNotFound:
            return await self._update_of_nothing(attempt)
        return Settled(vault_version_id, strangers=stored.sealed is None and attributes.enabled)

    async def _vault_id(self, attempt: Attempt) -> str:
        for version in in_order(await self._versions(attempt.name), None):
            if version.marker and version.marker.version == attempt.intent.version:
                return version.vault_version_id
        raise Rejected(
            f"Key Vault does not have version {attempt.intent.version} of {attempt.name!r}: "
            "discard the intent to let Key Vault's state stand, or set the secret anew."
        )

    async def _update_of_nothing(self, attempt: Attempt) -> Settled:
        if await self._is_deleted(attempt):
            raise SecretDeleted(
                f"Key Vault has {attempt.name!r} as a deleted secret: recover it there, then retry the intent."
            )
        self._wait_while_settling(attempt)
        raise Rejected(
            f"Key Vault does not have the version of {attempt.name!r} to update: discard the intent, or set it anew."
        )

    # --- delete, recover, purge --------------------------------------------------------------------------------------

    async def _delete(self, attempt: Attempt) -> Settled:
        if await self._is_deleted(attempt):
            return Settled()
        if attempt.intent.restored:
            await self._see_that_nothing_came_after(attempt)
        try:
            await self._write(attempt, lambda vault: vault.delete(attempt.name))
        except SecretNotFound:
            self._wait_while_settling(attempt)
            return Settled()  # there is nothing to delete
        if not await self._is_deleted(attempt):
            self._wait(attempt)
        return Settled()

    async def _recover(self, attempt: Attempt) -> Settled:
        if await self._is_deleted(attempt):
            await self._write(attempt, lambda vault: vault.recover(attempt.name))
        if await self._is_live(attempt):
            return Settled()
        self._wait_while_settling(attempt)
        raise Rejected(
            f"Key Vault has no deleted secret {attempt.name!r} to recover: "
            "discard the intent, then set the secret anew to write it there."
        )

    async def _purge(self, attempt: Attempt) -> Settled:
        if await self._is_live(attempt):
            await self._delete_before_purge(attempt)
        if await self._is_deleted(attempt):
            await self._purge_deleted(attempt)
            if await self._is_deleted(attempt):
                self._wait(attempt)
            return Settled()
        self._wait_while_settling(attempt)
        return Settled()

    async def _delete_before_purge(self, attempt: Attempt) -> None:
        """The purge made the deletion void before it arrived there."""
        await self._see_that_nothing_came_after(attempt)
        await self._write(attempt, lambda vault: vault.delete(attempt.name))

    async def _see_that_nothing_came_after(self, attempt: Attempt) -> None:
        """What others created since is not ours to destroy, nor what we created after a backup and know no more of.

        Key Vault counts whole seconds.
        """
        newest, accepted_at = await self._newest(attempt), attempt.intent.created_at
        if newest is None or accepted_at is None or newest.created_at <= accepted_at:
            return
        if newest.marker is None or attempt.intent.restored:
            raise Rejected(
                f"Key Vault has a secret {attempt.name!r} that was created after the {attempt.intent.kind} was "
                "accepted: discard the intent to adopt it, or delete it and retry."
            )

    async def _purge_deleted(self, attempt: Attempt) -> None:
        try:
            await self._write(attempt, lambda vault: vault.purge(attempt.name))
        except BackendRefused:
            if attempt.intent.attempts < _REFUSALS:
                raise
            raise Rejected(
                f"Key Vault refuses to let us purge {attempt.name!r}: grant our identity the purge permission "
                "and retry the intent, or discard it and let the retention time do it."
            ) from None

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

        self.forget(attempt.intent.id)  # what is sent now begins to settle now, whatever was settling before
        self._crashpoint("sending")
        try:
            answer = await self._primary.write(attempt.name, send, creates=creates, background=attempt.background)
        except _LeaseOver:
            raise TransitionPending("The lease ran out before the change was sent") from None
        self._crashpoint("sent")
        return answer

    def _wait_while_settling(self, attempt: Attempt) -> None:
        """Come back later, unless that has been going on for longer than anything takes to settle."""
        now = self._clock.monotonic()
        since = self._limbo_since.setdefault(attempt.intent.id, now)
        if now - since < self._settling.total_seconds():
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


def _is_ours(version: VaultVersion, intent: Intent, value: SecretValue) -> bool:
    """Whether an earlier attempt made this version, rather than somebody who copied its tags."""
    if version.marker is None or version.marker.intent_id != intent.id or version.value is None:
        return False
    return version.value.reveal() == value.reveal()


def _marker(intent: Intent) -> Marker:
    if intent.marker is None:
        raise Rejected(f"Intent {intent.id} names no version: discard it.")
    return intent.marker


def _attributes(intent: Intent) -> Attributes:
    if intent.attributes is None:
        raise Rejected(f"Intent {intent.id} carries no attributes: discard it.")
    return intent.attributes
