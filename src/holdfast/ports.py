"""What the use cases need from outside, as promises. One contract suite holds every adapter to them.

Every method may raise ``BackendUnavailable`` when its backend does not answer; what else it raises is said at each.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from holdfast.domain.audit import AuditRecord
from holdfast.domain.intent import Intent, IntentKind, Marker
from holdfast.domain.names import SecretName
from holdfast.domain.policy import Grant
from holdfast.domain.sealed import Place as Place  # noqa: PLC0414 - part of this module's vocabulary
from holdfast.domain.sealed import SealedValue as SealedValue  # noqa: PLC0414
from holdfast.domain.secret import (
    Attributes,
    JSONObject,
    RotationPolicy,
    SecretSettings,
    SecretSummary,
    SecretValue,
    SecretVersion,
    State,
)


class Clock(Protocol):
    """Time. Durations are measured with ``monotonic`` only; ``now`` is for what people and databases compare."""

    def now(self) -> datetime:
        """The present moment in UTC, by the database's clock where one is known."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    async def sleep(self, seconds: float) -> None:
        """Wait; a virtual clock returns when its time has been moved on."""


# --- sealing -----------------------------------------------------------------


class Sealer(Protocol):
    """Authenticated encryption bound to a place.

    Everything that opens or verifies raises ``IntegrityFailure`` when the bytes do not authenticate for the given
    place, and ``KeyUnavailable`` when the ring lacks the key they name.
    """

    def seal(self, place: Place, value: SecretValue) -> SealedValue:
        """Seal a value for a place under a fresh data key."""

    def open(self, place: Place, sealed: SealedValue) -> SecretValue:
        """Return the value sealed for this very place."""

    def attest(self, facts: bytes) -> str:
        """Return a keyed MAC over facts about a row that must not be edited behind our back."""

    def verify(self, facts: bytes, attestation: str) -> None:
        """Check such a MAC in constant time."""

    def seal_bytes(self, purpose: str, context: bytes, plaintext: bytes) -> bytes:
        """Seal a blob for a purpose ("cache", "backup") and a context that must be repeated to open it."""

    def open_bytes(self, purpose: str, context: bytes, blob: bytes) -> bytes:
        """Return a blob sealed for this very purpose and context."""


# --- caches ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEntry:
    """A sealed answer. ``revision`` orders all states a name was ever in, across versions and incarnations."""

    revision: int
    sealed: bytes


class Cache(Protocol):
    """Sealed entries by canonical name. It never decides anything; a broken one behaves as an empty one."""

    async def get(self, name: SecretName) -> CacheEntry | None:
        """Return the entry, or None. Never raises on a backend fault."""

    async def put(self, name: SecretName, entry: CacheEntry, ttl: timedelta) -> None:
        """Keep an entry for ``ttl`` unless one, or an invalidation, of a higher revision is known. Never raises."""

    async def invalidate(self, name: SecretName, revision: int) -> None:
        """Forget entries below ``revision`` and refuse to take them for as long as an entry may live. Never raises."""

    async def clear(self) -> None:
        """Forget all entries. Never raises."""

    def healthy(self) -> bool:
        """Whether the last use of the backend worked."""

    async def aclose(self) -> None:
        """Release connections."""


# --- Key Vault, or whatever is the primary -------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultVersion:
    """One version as the vault tells it. ``tags`` are as stored there, our marker included.

    ``name`` is in the vault's casing. ``value`` is None in listings.
    """

    name: str
    vault_version_id: str
    attributes: Attributes
    created_at: datetime
    updated_at: datetime
    value: SecretValue | None = None

    @property
    def marker(self) -> Marker | None:
        """The marker of the Holdfast write that made this version, or None."""
        return Marker.of_tags(self.attributes.tags)


class Vault(Protocol):
    """The primary store. Each call is one attempt: no retries inside, no waiting for a transition to settle.

    Raises, besides ``BackendUnavailable`` and its kinds (``BackendRefused`` on 401/403 to our credential,
    ``Throttled`` on 429, ``OutcomeUnknown`` when a change was sent and its answer lost):
    ``SecretNotFound`` (404), ``SecretDisabled`` (403 SecretDisabled), ``SecretDeleted`` (409, deleted but
    recoverable), ``TransitionPending`` (409, being deleted, recovered or purged), ``Rejected`` (any other 4xx).
    An answer that is not the asked-for secret, or no JSON, is ``BackendUnavailable``.
    """

    async def get(self, name: SecretName, vault_version_id: str | None = None) -> VaultVersion:
        """Return the newest or the given version with its value."""

    async def set(self, name: str, value: SecretValue, attributes: Attributes, marker: Marker) -> VaultVersion:
        """Create a version that carries ``marker`` among its tags."""

    async def update(
        self, name: SecretName, vault_version_id: str, attributes: Attributes, marker: Marker | None
    ) -> None:
        """Replace the attributes of a version; the marker tag is kept."""

    async def delete(self, name: SecretName) -> None:
        """Soft-delete; returns when the vault has accepted it."""

    async def recover(self, name: SecretName) -> None:
        """Bring a deleted secret back; returns when the vault has accepted it."""

    async def purge(self, name: SecretName) -> None:
        """Destroy a deleted secret for good; returns when the vault has accepted it."""

    async def is_deleted(self, name: SecretName) -> bool:
        """Whether the vault confirms that the name is soft-deleted."""

    def versions(self, name: SecretName) -> AsyncIterator[VaultVersion]:
        """All versions of a secret in no particular order, without values; nothing for an unknown name."""

    def secrets(self) -> AsyncIterator[VaultVersion]:
        """The newest version of every secret, without values and with ``vault_version_id`` ""."""

    def deleted_secrets(self) -> AsyncIterator[SecretName]:
        """The names of all soft-deleted secrets."""

    async def aclose(self) -> None:
        """Close connections and credentials."""


# --- PostgreSQL: the commit point ------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The state of a secret at the commit point.

    ``revision`` grows with every change of the name, over all its incarnations. ``vault_version_id`` is Key Vault's
    id of the current version once it is there; ``vault_updated_at`` its `updated` time at the last look.
    ``verified_at`` is when the content was last known to equal Key Vault's. ``open_intents``
    counts open and parked ones. ``drift`` names a difference that awaits a person, such as "missing_in_vault".
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

    def facts(self) -> bytes:
        """The facts whose editing would change what is served, as unambiguous bytes for ``Sealer.attest``."""
        refuse = str(self.settings.refuse_outside_validity)
        parts = ("head", str(self.incarnation), self.name, self.state, str(self.version), self.version_id, refuse)
        return b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVersion:
    """One version at the commit point. ``sealed`` is None when Key Vault would not disclose it (disabled there)."""

    version: SecretVersion
    sealed: SealedValue | None


class LedgerTransaction(Protocol):
    """One database transaction. Commits when its context ends without an error; nothing is visible before."""

    async def lock(self, name: SecretName) -> Head | None:
        """Return the head of a name, deleted or not, and hold its row until the end; None if there is none."""

    async def create(self, head: Head, version: StoredVersion) -> Head:
        """Insert a new incarnation with its first version and return it with its revision.

        Raises:
            TransitionPending: somebody else created the name at the same moment; run the transaction again.
        """

    async def append(self, head: Head, version: StoredVersion) -> Head:
        """Make ``version`` the current one, keep the former in the history, store the facts of ``head``.

        Returns the head with its new revision.
        """

    async def add_history(self, head: Head, version: StoredVersion) -> None:
        """Store a version that is not the current one."""

    async def stored(self, head: Head, version: int | str | None = None) -> StoredVersion | None:
        """Return a version of a locked head by number or 32-hex id; the current one by default."""

    async def rewrite(self, head: Head, version: StoredVersion) -> Head:
        """Replace attributes and seal of an existing version, store the facts of ``head``.

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

    async def put_schedule(self, name: SecretName, policy: RotationPolicy | None) -> None:
        """Insert, replace or, with None, remove the rotation schedule of a secret."""

    async def supersede_intents(self, head: Head) -> None:
        """Close the open and parked intents of a secret: a purge makes them void."""

    async def record(self, record: AuditRecord) -> None:
        """Store an audit record with the change it describes."""

    async def recall(self, user_id: str, key: str) -> tuple[bytes, JSONObject] | None:
        """Return the request fingerprint and the answer kept for an idempotency key."""

    async def remember(self, user_id: str, key: str, fingerprint: bytes, name: SecretName, answer: JSONObject) -> None:
        """Keep the answer to a request under its idempotency key for 24 hours."""


class Ledger(Protocol):
    """Secrets at the commit point. Reads see everything that is committed."""

    def transaction(self) -> AbstractAsyncContextManager[LedgerTransaction]:
        """Open a transaction."""

    async def head(self, name: SecretName) -> Head | None:
        """Return the head of a name, deleted or not."""

    async def heads(self, names: Sequence[SecretName]) -> Mapping[SecretName, Head]:
        """Return the heads of those names that exist, deleted or not, in one round trip."""

    async def current(self, name: SecretName) -> tuple[Head, StoredVersion] | None:
        """Return head and current version in one round trip.

        Raises:
            IntegrityFailure: the rows contradict each other (a history newer than the head: a rollback).
        """

    async def version(self, name: SecretName, version: int | str) -> tuple[Head, StoredVersion | None] | None:
        """Return the head and one version by number or 32-hex id."""

    async def versions(self, name: SecretName) -> list[SecretVersion]:
        """All versions, oldest first; empty for an unknown name."""

    async def summaries(
        self, state: State, *, after: SecretName | None = None, limit: int = 1000
    ) -> list[SecretSummary]:
        """Secrets in a state in name order, those after ``after``."""

    async def overdue(self, now: datetime) -> list[SecretName]:
        """Some deleted secrets whose retention time is over and that Key Vault waits for no change of; longest first."""

    async def expiring(self, before: datetime) -> list[SecretSummary]:
        """Active secrets whose current version expires before a moment, soonest first."""

    async def confirm(self, heads: Sequence[Head]) -> None:
        """Note that these heads equal Key Vault now; one with another revision or with open intents is left out."""

    async def unconfirmed(self, before: datetime, *, after: SecretName | None = None, limit: int) -> list[SecretName]:
        """Active secrets that Key Vault should have, were not confirmed since ``before`` and have no open intents.

        In name order, those after ``after``.
        """

    async def drifting(self, *, limit: int = 1000) -> list[Head]:
        """Secrets with a drift that awaits a person, in name order."""


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

    async def is_settled(self, intent_id: UUID) -> bool:
        """Whether an intent is done or superseded."""

    async def waiting(self) -> list[SecretName]:
        """All names with open or parked intents."""

    async def is_waiting(self, name: SecretName) -> bool:
        """Whether a name has open or parked intents, those of earlier incarnations included."""

    async def find(self, intent_ids: Collection[UUID]) -> Mapping[UUID, Intent]:
        """Return those of these intents that this installation ever journalled, in whatever state."""

    async def last_written(self, incarnation: UUID, version: int) -> UUID | None:
        """Return the newest set or update intent of a version, in whatever state."""

    async def purged_at(self, name: SecretName) -> datetime | None:
        """When the last purge of a name was accepted here, or None."""

    async def status(self) -> JournalStatus:
        """Counts for health."""

    async def parked(self) -> list[Intent]:
        """All parked intents, oldest first."""


class GrantStore(Protocol):
    """Grants at the commit point. Every change announces itself to all nodes."""

    async def all(self) -> list[Grant]:
        """Every grant that has not expired."""

    async def of_user(self, user_id: str) -> list[Grant]:
        """The unexpired grants of one identity."""

    async def put(self, grant: Grant, record: AuditRecord) -> None:
        """Insert or replace the grant of (pattern, user) together with its audit record."""

    async def remove(self, pattern: str, user_id: str, record: AuditRecord) -> bool:
        """Remove a grant together with its audit record; False if there was none (the record is kept)."""


class AuditLog(Protocol):
    """The audit trail."""

    async def append(self, record: AuditRecord) -> None:
        """Return when the record is durable in at least one sink.

        Raises:
            AuditUnavailable: no sink took it.
        """


class AuditSink(Protocol):
    """One place that keeps audit records."""

    async def write(self, records: Sequence[AuditRecord]) -> None:
        """Return when all of these records are durable here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultTotals:
    """Counts over all secrets: active ones, and how many of those expire within 30 days, have expired, lack an enabled
    rotation policy; deleted ones; ones whose drift from Key Vault awaits a person."""

    total: int
    expiring_soon: int
    expired: int
    without_rotation_policy: int
    deleted: int
    drifting: int


class Reports(Protocol):
    """Figures over everything stored."""

    async def history(self, name: SecretName, limit: int) -> list[AuditRecord]:
        """The newest audit records of a secret, newest first."""

    async def totals(self) -> VaultTotals:
        """Counts for health."""


class KeyRegistry(Protocol):
    """The known answers of every ring key that ever sealed something here."""

    async def known_answers(self) -> Mapping[str, bytes]:
        """Known answers by key id; none in a database that has no schema yet."""

    async def add(self, key_id: str, known_answer: bytes) -> None:
        """Store the known answer of a key; an existing one stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRecord:
    """A client of the token endpoint, without its secret."""

    client_id: str
    created_at: datetime
    created_by: str


class ClientStore(Protocol):
    """Client ids with their secrets, kept as hashes only."""

    async def add(self, client_id: str, secret_hash: bytes, created_by: str, record: AuditRecord) -> None:
        """Insert a client.

        Raises:
            Conflict: the id is taken.
        """

    async def secret_hash(self, client_id: str) -> bytes | None:
        """Return the hash of an active client's secret."""

    async def remove(self, client_id: str, record: AuditRecord) -> bool:
        """Remove a client; False if there was none."""

    async def list(self) -> Sequence[ClientRecord]:
        """Every client, by id."""


class FeedListener(Protocol):
    """What a node does about commits, its own and others'."""

    async def resynchronise(self) -> None:
        """Commits may have been missed: forget what could be outdated and load what must be known."""

    async def secret_changed(self, name: SecretName, revision: int) -> None:
        """A secret was changed; ``revision`` is its new one."""

    async def grants_changed(self, user_id: str | None) -> None:
        """The grants of one identity were changed, or of any with None."""

    async def client_changed(self, client_id: str) -> None:
        """A client was added or removed."""


class Feed(Protocol):
    """Tells this node at once what other nodes committed."""

    async def start(self, listener: FeedListener) -> None:
        """Listen from now on."""

    async def stop(self) -> None:
        """Stop listening."""

    def live(self) -> bool:
        """Whether every commit up to a second ago has been delivered: caches may be trusted."""

    def seconds_since_contact(self) -> float:
        """Seconds since PostgreSQL last answered this node; the age of the grants it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncLease:
    """The lead of one pass over the vault, which began at ``started_at`` by the database's clock."""

    fence: int
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncStatus:
    """The last pass that went through, and why the one after it did not."""

    last_started_at: datetime | None
    last_finished_at: datetime | None
    last_error: str | None


class SyncState(Protocol):
    """Who mirrors the vault. One node leads at a time, under a lease with a fence, by the database's clock."""

    async def lead(self, node: UUID, lease: timedelta) -> SyncLease | None:
        """Begin a pass; None while another node leads."""

    async def renew(self, held: SyncLease, lease: timedelta) -> bool:
        """Hold the lead for longer; False if it was lost."""

    async def finish(self, held: SyncLease, *, error: str | None = None) -> bool:
        """End a pass, gone through or not, and give up the lead; False if it was lost."""

    async def status(self) -> SyncStatus:
        """What to report about the mirroring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendHealth:
    """One backend as this node sees it. ``breakers`` maps "read" and "write" to closed, open or half-open."""

    name: str
    configured: bool
    healthy: bool
    detail: str = ""
    breakers: Mapping[str, str] | None = None
