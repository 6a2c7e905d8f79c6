"""Rules in pages, each read for itself, however many there are."""

from collections.abc import Sequence
from typing import Final

from holdfast.domain.policy import Caller, Grant, Permission
from holdfast.domain.roles import Role, RoleAssignment
from holdfast.domain.slices import Slice, slice_of
from holdfast.ports import Clock, RuleKind, RulePages, StoredRule
from holdfast.service.access.grants import GrantBook
from holdfast.service.access.guard import WHOLE_VAULT, Guard

_AT_LEAST: Final = 100
"""Rules read at a time: those that have expired or were outlived are passed over."""


class RuleListing:
    """Lists grants and roles in force, for those who may grant on the whole vault, or read its audit trail."""

    def __init__(self, *, guard: Guard, book: GrantBook, store: RulePages, clock: Clock) -> None:
        self._guard, self._book, self._store, self._clock = guard, book, store, clock

    async def grants(self, caller: Caller, after: Sequence[str] | None, size: int) -> Slice[Grant]:
        """Up to ``size`` grants by pattern and subject, those after a pair of them."""
        found = await self._in_force(caller, RuleKind.GRANT, "list_grants", after, size)
        return Slice([rule.grant() for rule in found.items], found.more)

    async def roles(self, caller: Caller, after: Sequence[str] | None, size: int) -> Slice[RoleAssignment]:
        """Up to ``size`` roles by subject, role and pattern, those after three of them."""
        found = await self._in_force(caller, RuleKind.ROLE, "role.list", after, size)
        return Slice([assignment_of(rule) for rule in found.items], found.more)

    async def _in_force(
        self, caller: Caller, kind: RuleKind, operation: str, after: Sequence[str] | None, size: int
    ) -> Slice[StoredRule]:
        async with self._guard.operation(caller, Permission.GRANT, WHOLE_VAULT, operation, Permission.AUDIT):
            return await self._read(kind, after, size)

    async def _read(self, kind: RuleKind, after: Sequence[str] | None, size: int) -> Slice[StoredRule]:
        found: list[StoredRule] = []
        while len(found) <= size:
            wanted = max(_AT_LEAST, size + 1)
            rules = await self._store.page(kind, after, wanted)
            found += self._counting(rules)
            if len(rules) < wanted:
                break
            after = keys_of(rules[-1])
        return slice_of(found, size)

    def _counting(self, rules: Sequence[StoredRule]) -> list[StoredRule]:
        now = self._clock.now()
        genuine = [rule for rule in self._book.genuine(rules) if not rule.outlived and not rule.grant().expired(now)]
        return [rule for rule in genuine if rule.kind is not RuleKind.ROLE or rule.terms[0] in set(Role)]


def keys_of(rule: StoredRule) -> tuple[str, ...]:
    """By what rules of a kind are ordered in pages."""
    if rule.kind is RuleKind.GRANT:
        return rule.pattern, rule.subject
    return rule.subject, rule.terms[0], rule.pattern


def assignment_of(rule: StoredRule) -> RoleAssignment:
    """Return a rule as the assignment of a role."""
    return RoleAssignment(
        subject=rule.subject,
        role=Role(rule.terms[0]),
        pattern=rule.pattern,
        granted_by=rule.granted_by,
        granted_at=rule.granted_at,
        expires_at=rule.expires_at,
    )
