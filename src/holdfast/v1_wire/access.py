"""Grants, clients and the record of who did what."""

from collections.abc import Iterable
from typing import Annotated, Self

from msgspec import Meta

from holdfast.domain.audit import AuditRecord
from holdfast.domain.policy import Grant, Permission
from holdfast.domain.roles import Role
from holdfast.v1_wire.documents import Document, Identity, Moment, Pattern, Request


class PutGrant(Request):
    """What an identity, or ``group:`` and a group's name, may do to a secret, or to all that a glob covers.

    It replaces what the same one was granted there before.
    """

    pattern: Pattern
    user_id: Identity
    permissions: Annotated[list[Permission], Meta(min_length=1, max_length=len(Permission))]
    expires_at: Moment | None = None


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


class AddClient(Request):
    """A client of the token endpoint, to be made."""

    client_id: Identity


class NewClient(Document):
    """A client that was just made. Its secret is shown this once."""

    client_id: str
    client_secret: str


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
