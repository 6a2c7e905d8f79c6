"""Grants, clients and the record of who did what."""

from collections.abc import Iterable
from typing import Annotated, Final, Self

import msgspec
from msgspec import Meta

from holdfast.domain.audit import AuditRecord
from holdfast.domain.explanation import Explanation, Verdict
from holdfast.domain.policy import Grant, Permission
from holdfast.domain.roles import Role
from holdfast.domain.simulation import ChangeKind, RuleChange
from holdfast.errors import InvalidInput
from holdfast.v1_wire.documents import (
    AcceptCredentials,
    Confidential,
    Document,
    Group,
    Identity,
    Moment,
    Name,
    Pattern,
    Request,
)

MAX_GROUPS: Final = 100
"""Groups in one question."""

MAX_CHANGES: Final = 100
"""Changes in one simulation."""

Permissions = Annotated[list[Permission], Meta(min_length=1, max_length=len(Permission))]


class PutGrant(Request):
    """What an identity, or ``group:`` and a group's name, may do to a secret, or to all that a glob covers.

    It replaces what the same one was granted there before.
    """

    pattern: Pattern
    user_id: Identity
    permissions: Permissions
    expires_at: Moment | None = None
    accept_existing_credentials: AcceptCredentials = False


class GrantDocument(Document):
    """A grant in force. ``user_id`` is an identity, or ``group:`` and a group's name; ``rule`` is how decisions name
    the grant."""

    pattern: str
    user_id: str
    permissions: list[Permission]
    granted_by: str
    granted_at: Moment | None
    expires_at: Moment | None
    rule: str

    @classmethod
    def of_grant(cls, grant: Grant) -> Self:
        """Return the document of a grant."""
        return cls(
            pattern=grant.pattern,
            user_id=grant.user_id,
            permissions=sorted(grant.permissions),
            granted_by=grant.granted_by,
            granted_at=grant.granted_at,
            expires_at=grant.expires_at,
            rule=grant.rule,
        )

    def grant(self) -> Grant:
        """Return the grant."""
        return self.to(Grant)


class AssignRole(Request):
    """The role of an identity, or of ``group:`` and a group's name, over a secret, or over all that a glob covers."""

    subject: Identity
    role: Role
    pattern: Pattern
    expires_at: Moment | None = None
    accept_existing_credentials: AcceptCredentials = False


class RoleDocument(Document):
    """A role in force."""

    subject: str
    role: Role
    pattern: str
    granted_by: str
    granted_at: Moment | None
    expires_at: Moment | None


class Removed(Document):
    """Whether there was anything to remove."""

    removed: bool


class Allowed(Document):
    """Whether something is allowed now."""

    allowed: bool


class Explain(Request):
    """May somebody do something to a secret, and why? ``groups``: those that a proof of identity would vouch for."""

    name: Name
    user_id: Identity
    permission: Permission
    groups: Annotated[list[Group], Meta(max_length=MAX_GROUPS)] = msgspec.field(default_factory=list)


class ConsiderationDocument(Document):
    """One rule that speaks of the identity or of a group of it, and what it says."""

    rule: str
    subject: str
    pattern: str
    permissions: list[Permission]
    granted_by: str
    expires_at: Moment | None
    verdict: Verdict


class ExplanationDocument(Document):
    """A decision with its reasons. ``rule`` is the one that decides; null for a refusal.

    ``considered`` are the nearest rules, the deciding one first. ``lease_s``: seconds for which a node that loses
    PostgreSQL goes on deciding about this secret.
    """

    subject: str
    permission: Permission
    name: str
    allowed: bool
    rule: str | None
    reason: str
    considered: list[ConsiderationDocument]
    lease_s: float

    @classmethod
    def of_explanation(cls, explanation: Explanation) -> Self:
        """Return the document of an explanation."""
        document = cls.of(explanation)
        for each in document.considered:
            each.permissions.sort()
        return document


class RuleChangeDocument(Request):
    """One imagined change of the rules: ``permissions`` belong to a grant, ``role`` to an assignment and its end."""

    kind: ChangeKind
    subject: Identity
    pattern: Pattern
    permissions: Permissions | None = None
    role: Role | None = None

    @classmethod
    def of_change(cls, change: RuleChange) -> Self:
        """Return the document of a change."""
        return cls(
            kind=change.kind,
            subject=change.subject,
            pattern=change.pattern,
            permissions=sorted(change.permissions) or None,
            role=change.role,
        )

    def change(self) -> RuleChange:
        """Return the change.

        Raises:
            InvalidInput: it lacks what its kind needs, or the subject or pattern is none.
        """
        if self.kind is ChangeKind.GRANT:
            return RuleChange.grant(self.pattern, self.subject, self.permissions or ())
        if self.kind is ChangeKind.REVOKE:
            return RuleChange.revoke(self.pattern, self.subject)
        if self.role is None:
            raise InvalidInput(f"role is missing: {self.kind} needs one.", field="role")
        make = RuleChange.assign if self.kind is ChangeKind.ASSIGN else RuleChange.unassign
        return make(self.subject, self.role, self.pattern)


class Simulate(Request):
    """Changes of the rules, to be tried on the requests of the last days. Nothing is changed."""

    changes: Annotated[list[RuleChangeDocument], Meta(min_length=1, max_length=MAX_CHANGES)]
    days: Annotated[int, Meta(ge=1, le=90)] = 7


class AffectedDocument(Document):
    """Requests that would fare differently. ``rule``: what allows them now, or would allow them then."""

    identity: str
    operation: str
    secret: str
    count: int
    last_seen: Moment
    rule: str | None


class SimulationDocument(Document):
    """What a replay showed: what breaks, what opens, what today's rules refuse already, which changes change nothing.

    ``truncated``: there were more kinds of requests than are replayed; the newest were.
    """

    days: int
    requests: int
    breaks: list[AffectedDocument]
    opens: list[AffectedDocument]
    refused_already: list[AffectedDocument]
    without_effect: list[str]
    truncated: bool


class AddClient(Request):
    """A client of the token endpoint, to be made."""

    client_id: Identity


class NewClient(Document):
    """A client that was just made. Its secret is shown this once."""

    client_id: str
    client_secret: Confidential


class ClientDocument(Document):
    """A client, without its secret."""

    client_id: str
    created_at: Moment
    created_by: str


class AuditDocument(Document):
    """One operation, allowed or refused, and how it ended."""

    name: str
    user_id: str
    operation: str
    success: bool
    timestamp: Moment
    auth_method: str | None
    rule: str | None
    error_code: str | None
    error_message: str | None
    version: int | None
    source: str | None
    stale: bool
    ip_address: str | None
    user_agent: str | None
    request_id: str | None
    detail: str | None


class History(Document):
    """The newest records of a secret, newest first."""

    items: list[AuditDocument]

    @classmethod
    def of_records(cls, records: Iterable[AuditRecord]) -> Self:
        """Return the document of some records."""
        return cls(items=[AuditDocument.of(record) for record in records])
