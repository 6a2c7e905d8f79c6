"""What would become of recorded requests if the rules were others."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from holdfast.domain.names import canonical_pattern
from holdfast.domain.policy import Permission, canonical_subject, parse_permissions
from holdfast.domain.roles import Role, parse_role


class ChangeKind(enum.StrEnum):
    """What is done to a rule."""

    GRANT = "grant"
    REVOKE = "revoke"
    ASSIGN = "assign"
    UNASSIGN = "unassign"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChange:
    """One imagined change of the rules. The class methods check their arguments as the real changes do."""

    kind: ChangeKind
    subject: str
    pattern: str
    permissions: frozenset[Permission] = frozenset()
    role: Role | None = None

    @classmethod
    def grant(cls, pattern: str, user_id: str, permissions: Iterable[str]) -> Self:
        """As ``grant_access`` would."""
        return cls(
            kind=ChangeKind.GRANT,
            subject=canonical_subject(user_id),
            pattern=canonical_pattern(pattern),
            permissions=parse_permissions(permissions),
        )

    @classmethod
    def revoke(cls, pattern: str, user_id: str) -> Self:
        """As ``revoke_access`` would."""
        return cls(kind=ChangeKind.REVOKE, subject=canonical_subject(user_id), pattern=canonical_pattern(pattern))

    @classmethod
    def assign(cls, subject: str, role: str, pattern: str) -> Self:
        """As ``access.assign_role`` would."""
        return cls(
            kind=ChangeKind.ASSIGN,
            subject=canonical_subject(subject),
            pattern=canonical_pattern(pattern),
            role=parse_role(role),
        )

    @classmethod
    def unassign(cls, subject: str, role: str, pattern: str) -> Self:
        """As ``access.unassign_role`` would."""
        return cls(
            kind=ChangeKind.UNASSIGN,
            subject=canonical_subject(subject),
            pattern=canonical_pattern(pattern),
            role=parse_role(role),
        )

    def __str__(self) -> str:
        what = self.role or ",".join(sorted(self.permissions))
        return " ".join(part for part in (self.kind, what, self.pattern, self.subject) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """Requests of the audit trail that are alike: ``count`` of them, decided by the same rule, or refused."""

    identity: str
    operation: str
    secret: str
    allowed: bool
    rule: str | None
    count: int
    last_seen: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """Requests that would fare differently. ``rule``: what allows them now, or would allow them then."""

    identity: str
    operation: str
    secret: str
    count: int
    last_seen: datetime
    rule: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationReport:
    """What a replay showed.

    ``breaks``: requests that were allowed, are allowed by today's rules and would be refused. ``opens``: requests that
    were refused and would be allowed. ``refused_already``: requests that were allowed, and would be refused today
    without any change. ``without_effect``: changes that change nothing, such as the removal of a rule that is not
    there. ``truncated``: there were more kinds of requests than are replayed; the newest were.
    """

    days: int
    requests: int
    breaks: tuple[Affected, ...]
    opens: tuple[Affected, ...]
    refused_already: tuple[Affected, ...]
    without_effect: tuple[str, ...]
    truncated: bool
