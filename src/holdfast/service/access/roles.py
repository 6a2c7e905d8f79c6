"""Who has which role over which secrets."""

from dataclasses import replace
from datetime import datetime

from holdfast.domain.names import canonical_pattern
from holdfast.domain.policy import Caller, Permission, canonical_subject
from holdfast.domain.roles import Role, RoleAssignment, parse_role
from holdfast.domain.validation import valid_future
from holdfast.ports import Clock, RuleKind, StoredRule
from holdfast.service.access.guard import WHOLE_VAULT, Guard
from holdfast.service.access.listing import assignment_of
from holdfast.service.access.rules import Rules, granter


class RoleControl:
    """Assigns roles and takes them away."""

    def __init__(self, *, guard: Guard, rules: Rules, clock: Clock) -> None:
        self._guard, self._rules, self._clock = guard, rules, clock

    async def assign(
        self,
        caller: Caller,
        subject: str,
        role: str,
        pattern: str,
        *,
        granted_by: str | None,
        expires_at: datetime | None,
        accept: bool = False,
    ) -> RoleAssignment:
        """Give an identity or a group a role over a name or glob, beside whatever else it has.

        ``accept`` as in ``Rules.put``.

        Raises:
            AccessDenied: the caller does not hold `grant` and all that the role allows there, for as long.
            Conflict: there are credentials whose makers do not hold it, and they are not accepted.
        """
        rule = self._rule(subject, role, pattern, granter(caller, granted_by))
        expiry = valid_future("expires_at", expires_at, rule.granted_at)
        wanted = replace(rule, expires_at=expiry)
        return assignment_of(await self._rules.put(caller, wanted, "role.assign", accept=accept))

    async def unassign(self, caller: Caller, subject: str, role: str, pattern: str) -> bool:
        """Take a role away, on this node at once; False if it was not assigned on exactly this name or glob."""
        return await self._rules.remove(caller, self._rule(subject, role, pattern, caller.id), "role.unassign")

    async def list(self, caller: Caller) -> list[RoleAssignment]:
        """All assignments in force, for those who may grant on the whole vault, or read its audit trail."""
        async with self._guard.operation(caller, Permission.GRANT, WHOLE_VAULT, "role.list", Permission.AUDIT):
            found = await self._rules.in_force(RuleKind.ROLE)
        return [assignment_of(rule) for rule in found if rule.terms[0] in set(Role)]

    def _rule(self, subject: str, role: str, pattern: str, granted_by: str) -> StoredRule:
        return StoredRule(
            kind=RuleKind.ROLE,
            subject=canonical_subject(subject),
            pattern=canonical_pattern(pattern),
            terms=(parse_role(role).value,),
            granted_by=granted_by,
            granted_at=self._clock.now(),
        )
