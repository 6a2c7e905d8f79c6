"""Roles, and the reasons for decisions, over the API."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from holdfast.client.connection import Connection
from holdfast.client.listings import MAX_PAGE
from holdfast.domain.explanation import Explanation
from holdfast.domain.names import canonical_name
from holdfast.domain.policy import canonical_subject, parse_permissions
from holdfast.domain.roles import RoleAssignment, parse_role
from holdfast.domain.simulation import RuleChange, SimulationReport
from holdfast.v1_wire.access import (
    AssignRole,
    Explain,
    ExplanationDocument,
    Removed,
    RoleDocument,
    RuleChangeDocument,
    Simulate,
    SimulationDocument,
)


class RemoteAuthorisation:
    """What ``service.access`` is for a server."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def assign_role(
        self,
        subject: str,
        role: str,
        pattern: str,
        *,
        expires_at: datetime | None = None,
        accept_existing_credentials: bool = False,
        context: object = None,
    ) -> RoleAssignment:
        """Give an identity, or ``group:`` and the name of a group, a role over a name or glob."""
        body = AssignRole(
            subject=canonical_subject(subject),
            role=parse_role(role),
            pattern=pattern,
            expires_at=expires_at,
            accept_existing_credentials=accept_existing_credentials,
        )
        return (await self._connection.call("PUT", "/v1/roles", RoleDocument, body=body)).to(RoleAssignment)

    async def unassign_role(self, subject: str, role: str, pattern: str, *, context: object = None) -> bool:
        """Take back a role that was assigned on this very name or glob."""
        query = {"subject": canonical_subject(subject), "role": parse_role(role), "pattern": pattern}
        return (await self._connection.call("DELETE", "/v1/roles", Removed, query=query)).removed

    async def list_roles(self, *, context: object = None) -> list[RoleAssignment]:
        """Return all role assignments in force."""
        listed = self._connection.items("/v1/roles", RoleDocument, limit=MAX_PAGE)
        return [each.to(RoleAssignment) async for each in listed]

    async def explain(
        self, name: str, user_id: str, permission: str, *, groups: Iterable[str] = (), context: object = None
    ) -> Explanation:
        """Whether somebody may do something to a secret now, and why."""
        (wanted,) = parse_permissions([permission])
        body = Explain(name=canonical_name(name), user_id=user_id, permission=wanted, groups=list(groups))
        return (await self._connection.call("POST", "/v1/explain", ExplanationDocument, body=body)).to(Explanation)

    async def simulate(
        self, changes: Sequence[RuleChange], *, days: int = 7, context: object = None
    ) -> SimulationReport:
        """Replay recorded requests as if the rules had been changed so."""
        body = Simulate(changes=[RuleChangeDocument.of_change(change) for change in changes], days=days)
        found = await self._connection.call("POST", "/v1/simulate", SimulationDocument, body=body)
        return found.to(SimulationReport)
