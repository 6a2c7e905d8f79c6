"""Secrets at the commit point."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from holdfast.domain.audit import AuditRecord
from holdfast.domain.intent import IntentKind, IntentState
from holdfast.domain.names import SecretName
from holdfast.domain.rotation import Phase, RotationRun
from holdfast.domain.sealed import SealedValue
from holdfast.domain.secret import JSONObject, RotationPolicy, SecretSettings, SecretSummary, SecretVersion, State
from holdfast.ports.sealing import unambiguous


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The state of a secret at the commit point.

    ``revision`` grows with every change of the name, over all its incarnations. ``vault_version_id`` is Key Vault's
    id of the current version once it is there; ``vault_updated_at`` its `updated` time at the last look.
    ``verified_at`` is when the content was last known to equal Key Vault's. ``open_intents``
    counts open and parked ones. ``drift`` names a difference that awaits a person, such as "missing_in_vault".
    ``provisional``: Key Vault may know versions between this one and those before it, so that ``version`` is only the
    number it has until they are known, and is told to no one.
    """

    incarnation: UUID
    name: SecretName
    display_name: str
    state: State
    revision: int
    version: int
    version_id: str
    settings: SecretSettings
    attestation: str
    verified_at: datetime
    vault_version_id: str | None = None
    vault_updated_at: datetime | None = None
    open_intents: int = 0
    deleted_at: datetime | None = None
    scheduled_purge_at: datetime | None = None
    drift: str | None = None
    provisional: bool = False

    def facts(self) -> bytes:
        """The facts whose editing would change what is served, as unambiguous bytes for ``Sealer.attest``."""
        refuse = str(self.settings.refuse_outside_validity)
        parts = ["head", str(self.incarnation), self.name, self.state, str(self.version), self.version_id, refuse]
        if self.provisional:
            parts.append("provisional")
        author, policy = self.settings.rotation_author, self.settings.rotation_policy
        if author is not None:
            parts += ("author", author.id, str(author.system), str(len(author.groups)), *author.groups)
        if policy is not None and policy.steers:
            # Where credentials are sent to when they are rotated is nobody's to edit either.
            options = (text for pair in sorted(policy.options.items()) for text in pair)
            parts += ("rotation", policy.handler or "", *options)
        return unambiguous(*parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVersion:
    """One version at the commit point.

    ``sealed`` is None when Key Vault would not disclose it (disabled there), or was not asked for it yet, as happens
    with former versions.
    """

    version: SecretVersion
    sealed: SealedValue | None


class LedgerTransaction(Protocol):
    """One database transaction. Commits when its context ends without an error; nothing is visible before."""

    async def lock(self, name: SecretName, *, proposal: UUID | None = None) -> Head | None:
        """Return the head of a name, deleted or not, and hold the name until the end; None if there is none.

        Args:
            proposal: the caller's own, about this name.

        Raises:
            ChangePending: Key Vault is being asked about a change of this name.
        """

    async def create(self, head: Head, version: StoredVersion) -> Head:
        """Insert a new incarnation with its first version and return it with its revision.

        Raises:
            TransitionPending: somebody else created the name at the same moment; run the transaction again.
        """

    async def append(self, head: Head, version: StoredVersion) -> Head:
        """Make ``version`` the current one, keep the former in the history, store the facts of ``head``.

        Returns the head with its new revision.
        """

    async def supplant(self, head: Head, version: StoredVersion) -> Head:
        """As ``append``, but the current version, whose number was provisional, is not kept as a former one."""

    async def add_history(self, head: Head, versions: Sequence[StoredVersion]) -> None:
        """Store versions that are not the current one."""

    async def fill(self, head: Head, versions: Sequence[StoredVersion]) -> None:
        """Store the values of former versions that have none yet; no one is told, for nothing changes for readers."""

    async def stored(self, head: Head, version: int | str | None = None) -> StoredVersion | None:
        """Return a version of a locked head by number or any of its ids; the current one by default."""

    async def carry(self, head: Head, version: SecretVersion) -> None:
        """Note what Key Vault alone says of a version, in place; nothing that a reader is given changes by that."""

    async def rewrite(self, head: Head, version: StoredVersion, *, by: str | None = None) -> Head:
        """Replace attributes and seal of an existing version, store the facts of ``head``.

        ``by``: who changes it; None where nobody does, as when only ids in Key Vault are set right.

        Returns the head with its new revision.
        """

    async def put_head(self, head: Head) -> Head:
        """Store the facts of a head (state, settings, times, vault ids, drift) and return it with its new revision."""

    async def remove(self, head: Head) -> int:
        """Destroy a secret: versions, data keys, grants on its exact name, schedule, idempotency records.

        Returns a revision higher than all before, which is announced.
        """

    async def add_intent(
        self, intent_id: UUID, head: Head, kind: IntentKind, version: SecretVersion | None = None
    ) -> None:
        """Journal a change for Key Vault, after all intents of that secret so far."""

    async def in_the_way(self, name: SecretName, kind: IntentKind) -> UUID | None:
        """See ``Journal.in_the_way``."""

    async def propose(self, intent_id: UUID, name: SecretName, sealed: bytes, lease: timedelta) -> None:
        """Keep a change next to its intent for as long as Key Vault is asked about it, under the intent's first lease.

        Raises:
            ChangePending: there is another one of this name.
        """

    async def conclude(
        self,
        intent_id: UUID,
        fence: int,
        state: IntentState,
        *,
        error: str | None = None,
        retry_in: timedelta = timedelta(),
    ) -> bool:
        """End a proposal: its intent is open from now on, or refused; False if its lease was lost."""

    async def concluded(self, intent_id: UUID, fence: int) -> IntentState | None:
        """What became of an intent whose proposal was ended under this fence; None if it was claimed since."""

    async def complete(
        self, intent_id: UUID, fence: int, vault_version_id: str | None, vault_updated_at: datetime | None
    ) -> None:
        """Close an intent that was just concluded, with the vault's id of its version."""

    async def put_schedule(self, name: SecretName, policy: RotationPolicy | None) -> None:
        """Insert, replace or, with None, remove the rotation schedule of a secret."""

    async def promote(self, run: RotationRun, phase: Phase, version: int) -> bool:
        """Note that a rotation's candidate is this version now, and when the next is due; False if its fence is old."""

    async def supersede_intents(self, head: Head, purge: UUID) -> None:
        """Close what waits of a secret but its purge, which makes all else void."""

    async def supersede_purges(self, name: SecretName, purge: UUID) -> None:
        """Close earlier purges of a name: what they were to destroy, this one destroys."""

    async def supersede_refused(
        self, head: Head, intent_id: UUID, kind: IntentKind, version: int | None
    ) -> list[int | None]:
        """Close the parked intents of a secret that one of this kind, of this version, overtakes.

        Returns the versions that they were about, None for a deletion or recovery.
        """

    async def is_in_vault(self, head: Head, purge: UUID) -> bool:
        """Whether Key Vault may have anything of this incarnation."""

    async def record(self, record: AuditRecord) -> None:
        """Store an audit record with the change it describes."""

    async def recall(self, user_id: str, key: str) -> tuple[bytes, JSONObject] | None:
        """Return the request fingerprint and the answer kept for an idempotency key."""

    async def remember(self, user_id: str, key: str, fingerprint: bytes, name: SecretName, answer: JSONObject) -> None:
        """Keep the answer to a request under its idempotency key for 24 hours."""

    async def answer_otherwise(self, name: SecretName, intent_id: UUID, answer: JSONObject) -> None:
        """Replace the answer that is kept for the request of an intent, if it came with an idempotency key."""


class Ledger(Protocol):
    """Secrets at the commit point. Reads see everything that is committed."""

    def transaction(self) -> AbstractAsyncContextManager[LedgerTransaction]:
        """Open a transaction."""

    async def head(self, name: SecretName) -> Head | None:
        """Return the head of a name, deleted or not."""

    async def heads(self, names: Sequence[SecretName]) -> Mapping[SecretName, Head]:
        """Return the heads of those names that exist, deleted or not, in one round trip."""

    async def current(self, name: SecretName, *, brief: bool = False) -> tuple[Head, StoredVersion] | None:
        """Return head and current version in one round trip.

        ``brief``: somebody else can tell as well. It is refused soon where others hold the rows, and at once where they
        did so a moment ago.

        Raises:
            IntegrityFailure: the rows contradict each other (a history newer than the head: a rollback).
        """

    async def version(self, name: SecretName, version: int | str) -> tuple[Head, StoredVersion | None] | None:
        """Return the head and one version by number, our own id, or an id that Key Vault gave it."""

    async def versions(self, name: SecretName) -> list[SecretVersion]:
        """All versions, oldest first; empty for an unknown name."""

    async def unfetched(self, head: Head, *, before: int, limit: int) -> list[SecretVersion]:
        """Up to ``limit`` former, enabled versions whose value was not fetched from Key Vault yet, newest first.

        Only those with numbers below ``before``.
        """

    async def with_unfetched(self, *, after: SecretName | None = None, limit: int = 1000) -> list[SecretName]:
        """Names of active secrets that have such versions, in name order, those after ``after``."""

    async def contents(self, name: SecretName) -> tuple[Head, list[StoredVersion]] | None:
        """The head and all versions with their seals, oldest first, as of one moment."""

    async def names(self, state: State, *, after: SecretName | None = None, limit: int = 1000) -> list[SecretName]:
        """Names of secrets in a state in name order, those after ``after``."""

    async def summaries(
        self, state: State, *, after: SecretName | None = None, limit: int = 1000
    ) -> list[SecretSummary]:
        """Secrets in a state in name order, those after ``after``."""

    async def summaries_of(self, state: State, names: Sequence[SecretName]) -> list[SecretSummary]:
        """Those of these secrets that are in a state, in name order."""

    async def overdue(self, now: datetime) -> list[SecretName]:
        """Some deleted secrets whose retention time is over, without open intents; longest first."""

    async def expiring(self, before: datetime) -> list[SecretSummary]:
        """Active secrets whose current version expires before a moment, soonest first."""

    async def reminding(self, now: datetime, *, first: int, news_for: timedelta) -> list[SecretSummary]:
        """Active secrets whose current version expires within ``first`` days, or as many as their rotation policy gives
        notice, or has expired no longer ago than ``news_for``; soonest first."""

    async def confirm(self, heads: Sequence[Head]) -> None:
        """Note that these heads equal Key Vault now; one with another revision or with open intents is left out."""

    async def unconfirmed(self, before: datetime, *, after: SecretName | None = None, limit: int) -> list[SecretName]:
        """Active secrets that Key Vault should have, were not confirmed since ``before`` and have no open intents.

        In name order, those after ``after``.
        """

    async def drifting(self, *, limit: int = 1000) -> list[Head]:
        """Secrets with a drift that awaits a person, in name order."""
