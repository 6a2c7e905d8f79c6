"""The phases of a rotation.

    PENDING   a candidate exists, sealed and durable; the target may or may not have it
    APPLIED   the target took it
    TESTED    it logs in
    CURRENT   it is the current version; the old credential still lives
    RETIRED   the old credential is revoked

Each arrow is a committed row under a fence. A crash leaves a run in its phase, and whoever takes it up goes on with the
same candidate: at every moment the target holds only credentials that are stored here. A run can be cancelled as long
as the target cannot have taken the candidate in place of the current credential.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from holdfast.domain.names import SecretName
from holdfast.errors import Conflict


class Phase(enum.StrEnum):
    """How far a rotation has come."""

    PENDING = "pending"
    APPLIED = "applied"
    TESTED = "tested"
    CURRENT = "current"
    RETIRED = "retired"
    CANCELLED = "cancelled"


class Step(enum.StrEnum):
    """What takes a rotation from one phase to the next."""

    APPLY = "apply"
    TEST = "test"
    PROMOTE = "promote"
    RETIRE = "retire"
    CANCEL = "cancel"


TRANSITIONS: Final[Mapping[tuple[Phase, Step], Phase]] = {
    (Phase.PENDING, Step.APPLY): Phase.APPLIED,
    (Phase.APPLIED, Step.TEST): Phase.TESTED,
    (Phase.TESTED, Step.PROMOTE): Phase.CURRENT,
    (Phase.CURRENT, Step.RETIRE): Phase.RETIRED,
    (Phase.PENDING, Step.CANCEL): Phase.CANCELLED,
    (Phase.APPLIED, Step.CANCEL): Phase.CANCELLED,
    (Phase.TESTED, Step.CANCEL): Phase.CANCELLED,
}
"""(phase, step) to the phase afterwards. A current version is not cancelled; it is rolled back."""

FORWARD: Final[Mapping[Phase, Step]] = {
    Phase.PENDING: Step.APPLY,
    Phase.APPLIED: Step.TEST,
    Phase.TESTED: Step.PROMOTE,
    Phase.CURRENT: Step.RETIRE,
}
"""The step that each open phase waits for."""


def advance(phase: Phase, step: Step, name: str) -> Phase:
    """Return the phase after ``step``.

    Raises:
        Conflict: that step is not to be taken in this phase.
    """
    try:
        return TRANSITIONS[phase, step]
    except KeyError:
        raise Conflict(f"The rotation of {name!r} is {phase}: there is nothing to {step}.") from None


class Trigger(enum.StrEnum):
    """Why a secret is rotated."""

    MANUAL = "manual"
    SCHEDULE = "schedule"
    ROLLBACK = "rollback"


_STUCK_AFTER: Final = 2
"""Attempts after the first; the third comes within half a minute of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationRun:
    """One rotation of one secret.

    ``handler`` names who takes its steps. ``from_version`` is what it replaces; ``version`` what it made, once current.
    ``tried``: applying was begun, so the target may have the candidate. ``retire_by``: when the old credential is
    revoked even if some consumer still uses it; None: a person decides.
    """

    id: UUID
    name: SecretName
    incarnation: UUID
    phase: Phase
    handler: str
    trigger: Trigger
    requested_by: str
    from_version: int
    version: int | None = None
    tried: bool = False
    attempts: int = 0
    last_error: str | None = None
    fence: int = 0
    started_at: datetime | None = None
    promoted_at: datetime | None = None
    retire_by: datetime | None = None
    finished_at: datetime | None = None
    next_attempt_at: datetime | None = None

    @property
    def is_stuck(self) -> bool:
        """Whether the step that it waits for has failed again and again, so that somebody has to look."""
        return self.finished_at is None and self.last_error is not None and self.attempts >= _STUCK_AFTER


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationResult:
    """How one rotation ended, or where it stands. ``error_message`` is None on success."""

    secret_name: SecretName
    success: bool
    phase: Phase | None = None
    version: int | None = None
    run_id: UUID | None = None
    error_message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """An identity that fetched a secret; ``version`` is the newest one it has."""

    user_id: str
    version: int
    last_seen: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Laggard:
    """A consumer that still uses the credential before the current one.

    ``version`` is what it has. ``retire_by``: when the old credential is revoked all the same; None: a person decides.
    """

    secret_name: SecretName
    user_id: str
    version: int
    current_version: int
    last_seen: datetime
    retire_by: datetime | None
