"""Rotations: schedules, runs and how they end."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta

from holdfast.domain.rotation import Phase, Trigger
from holdfast.domain.validation import MAX_INTERVAL_DAYS
from holdfast.v1_wire.documents import Document, Moment, Request
from holdfast.v1_wire.secrets import RotationPolicyDocument


class ScheduleRotation(Request):
    """Rotate every so many days; without ``auto_rotate``, a person approves each time."""

    interval_days: Annotated[int, Meta(ge=1, le=MAX_INTERVAL_DAYS)]
    auto_rotate: bool = True


class RotationResultDocument(Document):
    """How a rotation ended, or where it stands. ``error_message`` is null on success."""

    secret_name: str
    success: bool
    phase: Phase | None
    version: int | None
    run_id: UUID | None
    error_message: str | None


class RotationRunDocument(Document):
    """One rotation of one secret. ``from_version`` is what it replaces; ``version`` what it made, once current.

    ``tried``: the target may have the candidate. ``retire_by``: when the old credential is revoked even if somebody
    still uses it; null: a person decides.
    """

    id: UUID
    name: str
    phase: Phase
    handler: str
    trigger: Trigger
    requested_by: str
    from_version: int
    version: int | None
    tried: bool
    attempts: int
    last_error: str | None
    started_at: Moment | None
    promoted_at: Moment | None
    retire_by: Moment | None
    finished_at: Moment | None
    next_attempt_at: Moment | None


class RotationScheduleDocument(Document):
    """When a secret is to be rotated. ``approved_by`` is null until a person agrees, where the policy asks one."""

    policy: RotationPolicyDocument
    last_rotated_at: Moment | None
    next_rotation_at: Moment
    rotation_count: int
    failures: int
    last_error: str | None
    requested_at: Moment | None
    approved_by: str | None


class ConsumerDocument(Document):
    """An identity that fetched the secret; ``version`` is the newest one it has."""

    user_id: str
    version: int
    last_seen: Moment


class RotationStatusDocument(Document):
    """Schedule, last or present rotation, and who still uses the credential before the current one."""

    secret_name: str
    schedule: RotationScheduleDocument | None
    run: RotationRunDocument | None
    laggards: list[ConsumerDocument]


class RotationRuns(Document):
    """Rotations, newest first."""

    items: list[RotationRunDocument]


class RotationResults(Document):
    """One result for each secret that was due."""

    items: list[RotationResultDocument]
