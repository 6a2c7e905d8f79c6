"""Roles: named sets of permissions, assigned to a subject over a name or glob."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from holdfast.domain.policy import Permission
from holdfast.errors import InvalidInput


class Role(enum.StrEnum):
    """What people call a set of permissions."""

    ADMIN = "admin"
    """Everything, and handing it out."""
    OPERATOR = "operator"
    """Keeps secrets and installation in working order, and sees no value."""
    AUDITOR = "auditor"
    """Sees what there is and who did what, and no value."""
    APPROVER = "approver"
    """Decides about emergencies, and sees no value."""
    READER = "reader"
    """An application that uses secrets."""


ROLES: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.ADMIN: frozenset(Permission),
    Role.OPERATOR: frozenset({Permission.LIST, Permission.ROTATE, Permission.RECOVER, Permission.OPERATE}),
    Role.AUDITOR: frozenset({Permission.LIST, Permission.AUDIT}),
    Role.APPROVER: frozenset({Permission.LIST, Permission.APPROVE}),
    Role.READER: frozenset({Permission.GET, Permission.LIST}),
}
"""What each role allows. ``docs/authorisation.md`` shows this very table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleAssignment:
    """``subject`` has a role over every secret that ``pattern`` covers, until ``expires_at``."""

    subject: str
    role: Role
    pattern: str
    granted_by: str
    granted_at: datetime | None = None
    expires_at: datetime | None = None


def parse_role(raw: object) -> Role:
    """Return the named role.

    Raises:
        InvalidInput: there is no such role.
    """
    if isinstance(raw, str) and raw in set(Role):
        return Role(raw)
    shown = f"{raw!r:.40}" if isinstance(raw, str) else type(raw).__name__
    raise InvalidInput(f"{shown} is not a role: choose from {', '.join(Role)}.", field="role")
