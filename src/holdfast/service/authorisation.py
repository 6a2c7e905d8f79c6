"""The part of the facade that is about authorisation itself: ``service.access``."""

from datetime import datetime

from holdfast.domain.roles import RoleAssignment
from holdfast.service.callers import Context, authenticated
from holdfast.service.roles import RoleControl


class Authorisation:
    """Roles, and the reasons for decisions. Every method takes ``context``: who asks, as everywhere."""

    def __init__(self, *, roles: RoleControl) -> None:
        self._roles = roles

    async def assign_role(
        self,
        subject: str,
        role: str,
        pattern: str,
        *,
        granted_by: str | None = None,
        expires_at: datetime | None = None,
        context: Context = None,
    ) -> RoleAssignment:
        """Give an identity, or ``group:`` and the name of a group, a role over a name or glob.

        It stands beside everything else the subject has; the same role on the same name or glob is replaced.
        """
        return await self._roles.assign(
            authenticated(context), subject, role, pattern, granted_by=granted_by, expires_at=expires_at
        )

    async def unassign_role(self, subject: str, role: str, pattern: str, *, context: Context = None) -> bool:
        """Take back a role that was assigned on this very name or glob; False if there was none."""
        return await self._roles.unassign(authenticated(context), subject, role, pattern)

    async def list_roles(self, *, context: Context = None) -> list[RoleAssignment]:
        """Return all role assignments in force."""
        return await self._roles.list(authenticated(context))
