"""Why somebody may do something, or may not."""

import enum
from dataclasses import dataclass
from datetime import datetime

from holdfast.domain.names import SecretName
from holdfast.domain.policy import Permission


class Verdict(enum.StrEnum):
    """What one rule says to a question."""

    ALLOWS = "allows it"
    EXPIRED = "has expired"
    OUTLIVED = "was for an earlier secret of that name"
    OTHER_PERMISSIONS = "allows other things on it"
    OTHER_NAMES = "allows it on other names"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consideration:
    """One rule that speaks of the identity or of a group of it, and what it says."""

    rule: str
    subject: str
    pattern: str
    permissions: frozenset[Permission]
    granted_by: str
    expires_at: datetime | None
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A decision with its reasons. ``rule`` is the one that decides, None for a refusal.

    ``considered`` are the nearest rules, the deciding one first. ``lease_s``: seconds for which a node that loses
    PostgreSQL goes on deciding about this secret.
    """

    subject: str
    permission: Permission
    name: SecretName
    allowed: bool
    rule: str | None
    reason: str
    considered: tuple[Consideration, ...]
    lease_s: float
