"""The installation: how it is, what expires, what waits for Key Vault."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta

from holdfast.domain.intent import IntentKind
from holdfast.domain.policy import AuthMethod
from holdfast.v1_wire.documents import Document, Moment, Name, Request

MAX_WARM = 1_000
"""Secrets warmed by one request."""


class BackendDocument(Document):
    """One backend as the answering node sees it."""

    name: str
    configured: bool
    healthy: bool
    detail: str
    breakers: dict[str, str] | None
    down_since: Moment | None
    calls: dict[str, int] | None = None


class LaggardDocument(Document):
    """A consumer that still uses ``version``, although a rotation made ``current_version``.

    ``retire_by``: when the old credential is revoked all the same.
    """

    secret_name: str
    user_id: str
    version: int
    current_version: int
    last_seen: Moment
    retire_by: Moment | None


class FailingWorkDocument(Document):
    """Background work of the answering node that fails; ``since``: of the first failure in a row."""

    work: str
    since: Moment
    failures: int
    reason: str


class KeptOutDocument(Document):
    """A name in Key Vault that cannot be mirrored now, and when it is tried again.

    ``name``: canonical where it is a secret's name; else what can be shown of it.
    """

    name: str
    reason: str
    detail: str
    since: Moment
    attempts: int
    next_attempt_at: Moment
    vault_updated_at: Moment | None


class HealthDocument(Document):
    """Totals, backends, what waits for Key Vault, and what to do about it.

    ``laggards`` are those of secrets that the caller may list; ``late_consumers`` counts those of all. ``kept_out``
    counts names in Key Vault that cannot be mirrored; ``kept_out_names`` are those that the caller may list.
    """

    healthy: bool
    total_secrets: int
    expiring_soon: int
    expired: int
    without_rotation_policy: int
    deleted: int
    drifting: int
    beyond_dates: int
    last_rotation_check: Moment | None
    overdue_rotations: int
    failing_rotations: int
    late_consumers: int
    laggards: list[LaggardDocument]
    last_sync: Moment | None
    mirror_fault: str | None
    kept_out: int
    kept_out_names: list[KeptOutDocument]
    open_intents: int
    parked_intents: int
    oldest_intent_at: Moment | None
    waiting_notices: int
    dead_notices: int
    encryption_key: str
    backends: list[BackendDocument]
    failing_work: list[FailingWorkDocument]
    recommendations: list[str]


class NodeDocument(Document):
    """One process that serves. ``name``: ``host:pid``; ``schema_version``: what its release works with."""

    id: UUID
    name: str
    release: str
    schema_version: int
    started_at: Moment
    seen_at: Moment
    backends: list[BackendDocument]


class WhoAmIDocument(Document):
    """Who asks. ``method``: how that was proven; ``installation``: the id of the one that answers."""

    identity: str
    method: AuthMethod
    groups: tuple[str, ...]
    installation: str


class NodesDocument(Document):
    """The nodes heard of in the last seconds, oldest first."""

    items: list[NodeDocument]


class ExpiringDocument(Document):
    """A secret that expires soon, or has: then ``days_until_expiry`` is negative.

    ``next_notice_at``: when people are told of it next; null: they have been told all there is to tell.
    """

    secret_name: str
    expires_at: Moment
    days_until_expiry: int
    version: int
    next_notice_at: Moment | None


class WarmCache(Request):
    """Secrets to read into the caches."""

    names: Annotated[list[Name], Meta(min_length=1, max_length=MAX_WARM)]


class Warmed(Document):
    """How many of them are warm; the others are refused, absent or unreadable."""

    warmed: int


class InvalidateCache(Request):
    """The secret whose next read is to ask Key Vault; without one, all that the answering node holds."""

    name: Name | None = None


class SyncDocument(Document):
    """What one pass over Key Vault found and took over.

    ``failed``: names that are kept out. ``incomplete``: why it did not see all of the vault; null: it did.
    ``lacking``: what it could not see of the deleted secrets.
    """

    seen: int
    adopted: int
    changed: int
    deleted: int
    missing: int
    failed: int
    seconds: float
    incomplete: str | None = None
    lacking: str | None = None


class DriftDocument(Document):
    """A secret that differs from Key Vault in a way that a person must settle."""

    name: str
    version: int
    drift: str | None


class IntentDocument(Document):
    """A change that Key Vault has not taken; ``last_error`` says why, if it was tried."""

    id: UUID
    name: str
    kind: IntentKind
    version: int | None
    attempts: int
    last_error: str | None
    created_at: Moment | None
    next_attempt_at: Moment | None = None


class IntentsDocument(Document):
    """What waits for Key Vault: ``parked`` is what it refuses, ``waiting`` are at most 1,000 of the ``open`` ones."""

    drifting: list[DriftDocument]
    parked: list[IntentDocument]
    waiting: list[IntentDocument]
    open: int
    conflicts: int
    retried: int
    discarded: int
    kept_out: list[KeptOutDocument]


class DiscardIntents(Request):
    """The secret whose waiting changes are given up, so that Key Vault's state of it stands."""

    name: Name
