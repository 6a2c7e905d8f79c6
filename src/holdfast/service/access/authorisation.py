"""The part of the facade that is about authorisation itself: ``service.access``."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from holdfast.domain.explanation import Explanation
from holdfast.domain.names import canonical_name
from holdfast.domain.policy import Grant
from holdfast.domain.roles import RoleAssignment
from holdfast.domain.simulation import RuleChange, SimulationReport
from holdfast.domain.slices import MAX_SLICE, Slice
from holdfast.domain.validation import valid_number
from holdfast.service.access.explaining import Explainer
from holdfast.service.access.listing import RuleListing
from holdfast.service.access.roles import RoleControl
from holdfast.service.access.simulation import Simulator
from holdfast.service.callers import Context, authenticated


class Authorisation:
    """Roles, and the reasons for decisions. Every method takes ``context``: who asks, as everywhere."""

    def __init__(self, *, roles: RoleControl, listing: RuleListing, explainer: Explainer, simulator: Simulator) -> None:
        self._roles, self._listing, self._explainer, self._simulator = roles, listing, explainer, simulator

    async def assign_role(
        self,
        subject: str,
        role: str,
        pattern: str,
        *,
        granted_by: str | None = None,
        expires_at: datetime | None = None,
        accept_existing_credentials: bool = False,
        context: Context = None,
    ) -> RoleAssignment:
        """Give an identity, or ``group:`` and the name of a group, a role over a name or glob.

        It stands beside everything else the subject has; the same role on the same name or glob is replaced.
        ``accept_existing_credentials``: also to credentials and memberships whose makers do not hold it.

        Raises:
            Conflict: there are such credentials, and they are not accepted; the error names them.
        """
        return await self._roles.assign(
            authenticated(context),
            subject,
            role,
            pattern,
            granted_by=granted_by,
            expires_at=expires_at,
            accept=accept_existing_credentials,
        )

    async def unassign_role(self, subject: str, role: str, pattern: str, *, context: Context = None) -> bool:
        """Take back a role that was assigned on this very name or glob; False if there was none."""
        return await self._roles.unassign(authenticated(context), subject, role, pattern)

    async def list_roles(self, *, context: Context = None) -> list[RoleAssignment]:
        """Return all role assignments in force."""
        return await self._roles.list(authenticated(context))

    async def page_of_roles(
        self, *, after: tuple[str, str, str] | None = None, limit: int = 100, context: Context = None
    ) -> Slice[RoleAssignment]:
        """Return up to ``limit`` assignments in force by subject, role and pattern, those after three of them."""
        return await self._listing.roles(authenticated(context), after, valid_number("limit", limit, 1, MAX_SLICE))

    async def page_of_grants(
        self, *, after: tuple[str, str] | None = None, limit: int = 100, context: Context = None
    ) -> Slice[Grant]:
        """Return up to ``limit`` grants in force by pattern and subject, those after a pair of them."""
        return await self._listing.grants(authenticated(context), after, valid_number("limit", limit, 1, MAX_SLICE))

    async def explain(
        self, name: str, user_id: str, permission: str, *, groups: Iterable[str] = (), context: Context = None
    ) -> Explanation:
        """Whether ``user_id`` may do ``permission`` to a secret now, by which rule, or what the nearest rules lack.

        ``user_id`` is an identity or ``group:`` and the name of a group; ``groups`` are those that a proof of identity
        would vouch for. Nothing is said of whether the secret exists.
        """
        return await self._explainer.explain(authenticated(context), canonical_name(name), user_id, permission, groups)

    async def simulate(
        self, changes: Sequence[RuleChange], *, days: int = 7, context: Context = None
    ) -> SimulationReport:
        """Replay the requests of the last ``days`` days (1 to 90) as if the rules had been changed so.

        Nothing is changed. Listings are left out: they show less, and break nothing.
        """
        return await self._simulator.simulate(authenticated(context), changes, days)
