"""Grants at the commit point."""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol, TypeAlias
from uuid import UUID

from holdfast.domain.audit import AuditRecord
from holdfast.domain.policy import Grant, Permission
from holdfast.domain.roles import ROLES, Role
from holdfast.domain.simulation import RecordedRequest
from holdfast.ports.sealing import unambiguous


class RuleKind(enum.StrEnum):
    """What a rule allows: the permissions it lists, or those of a role; for good, or in an emergency."""

    GRANT = "grant"
    ROLE = "role"
    BREAK_GLASS = "break-glass"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRule:
    """A grant, a role assignment or emergency access as it is stored.

    ``terms``: permissions, or the one role; a newer release may have stored ones that are unknown here.
    ``incarnation``: the life of a single secret that the rule is for; None for a glob, and while it waits for a secret.
    ``living``: the present incarnation of a secret of that name.
    """

    kind: RuleKind
    subject: str
    pattern: str
    terms: tuple[str, ...]
    granted_by: str
    granted_at: datetime
    expires_at: datetime | None = None
    incarnation: UUID | None = None
    attestation: str = ""
    id: int = 0
    living: UUID | None = None

    @property
    def name(self) -> str:
        """How explanations and the audit trail name it."""
        if self.kind is RuleKind.ROLE:
            return f"role:{self.terms[0]} on {self.pattern}"
        return f"{self.kind}:{self.id or 'new'}"

    @property
    def summary(self) -> str:
        """For whom, what and until when: what the audit trail keeps of a change of it."""
        until = f" until {self.expires_at.astimezone(UTC).isoformat()}" if self.expires_at else ""
        return f"{self.subject}: {', '.join(sorted(self.terms)) or 'everything'}{until}"

    @property
    def outlived(self) -> bool:
        """Whether the secret it was made for is gone."""
        return self.incarnation is not None and self.incarnation != self.living

    def permissions(self) -> frozenset[Permission]:
        """What it allows, as far as this release knows it."""
        if self.kind is RuleKind.ROLE:
            return frozenset[Permission]().union(*(ROLES[Role(term)] for term in self.terms if term in set(Role)))
        return frozenset(Permission(term) for term in self.terms if term in set(Permission))

    def grant(self) -> Grant:
        """The rule in the form in which all rules are decided."""
        return Grant(
            user_id=self.subject,
            pattern=self.pattern,
            permissions=self.permissions(),
            granted_by=self.granted_by,
            granted_at=self.granted_at,
            expires_at=self.expires_at,
            rule=self.name,
        )

    def facts(self) -> bytes:
        """The facts whose editing would change who may do what, as unambiguous bytes for ``Sealer.attest``."""
        return unambiguous(
            "rule",
            self.kind,
            self.subject,
            self.pattern,
            str(len(self.terms)),
            *sorted(self.terms),
            self.granted_by,
            self.granted_at.astimezone(UTC).isoformat(),
            self.expires_at.astimezone(UTC).isoformat() if self.expires_at else "",
            str(self.incarnation or ""),
            *((str(self.id),) if self.kind is RuleKind.BREAK_GLASS else ()),
        )


class Credential(NamedTuple):
    """Something by which somebody acts as an identity: ``what`` it is, whose, and who made it."""

    what: str
    identity: str
    made_by: str


Approve: TypeAlias = Callable[[Sequence[Credential]], AuditRecord]
"""Sees the credentials that a change gives something to; returns the record of the change, or raises to prevent it."""


ApproveJoining: TypeAlias = Callable[[Sequence[Credential], frozenset[str], int], AuditRecord]
"""The same for an identity's credentials, the groups it joins, and the epoch that the rules have and keep meanwhile."""


class RequestLog(Protocol):
    """What was asked for, as the audit trail has it."""

    async def recorded_requests(
        self, since: timedelta, *, operations: Sequence[str], limit: int
    ) -> list[RecordedRequest]:
        """Kinds of allowed and refused requests of that time, the owning application's left out, newest first."""


class RulePages(Protocol):
    """Rules at the commit point, some at a time."""

    async def page(self, kind: RuleKind, after: Sequence[str] | None, limit: int) -> list[StoredRule]:
        """Up to ``limit`` rules of a kind: grants by pattern and subject, roles by subject, role and pattern.

        ``after``: those after these.
        """


class GrantStore(Protocol):
    """Grants and role assignments at the commit point. Every change announces itself, with its epoch, to all nodes."""

    async def rules(self, subject: str | None = None) -> tuple[int, list[StoredRule]]:
        """The rules for one subject, or all of them, expired ones too, and the epoch that they are of."""

    async def changes(self) -> int:
        """The number of changes to rules so far."""

    async def incarnation(self, pattern: str) -> UUID | None:
        """The present incarnation of the secret of that name; None for a glob and for a name without a secret."""

    async def put(self, rule: StoredRule, approve: Approve) -> tuple[int, int]:
        """Insert a rule, or replace the one of the same kind, subject and pattern (and role), with its audit record.

        ``approve`` sees all credentials of the subject, or of the members of the group; no other is made meanwhile.
        Returns the rule's id and the epoch.
        """

    async def remove(self, rule: StoredRule, record: AuditRecord) -> tuple[bool, int]:
        """Remove the rule of that kind, subject and pattern (and role), with its audit record.

        Returns whether there was one (the record is kept either way) and the epoch.
        """
