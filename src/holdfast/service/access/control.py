"""Who may do what: grants, and the questions about them."""

from collections.abc import Iterable
from datetime import datetime

from holdfast.domain.names import SecretName, canonical_pattern
from holdfast.domain.policy import (
    Caller,
    Grant,
    Permission,
    canonical_identity,
    canonical_subject,
    parse_permissions,
)
from holdfast.domain.validation import valid_future
from holdfast.ports import Clock, RuleKind, StoredRule
from holdfast.service.access.grants import GrantBook
from holdfast.service.access.guard import WHOLE_VAULT, Guard
from holdfast.service.access.rules import Rules, granter


class AccessControl:
    """Hands out and takes back permissions."""

    def __init__(
        self,
        *,
        guard: Guard,
        book: GrantBook,
        rules: Rules,
        clock: Clock,
    ) -> None:
        self._guard, self._book, self._rules, self._clock = guard, book, rules, clock

    async def grant(
        self,
        caller: Caller,
        pattern: str,
        user_id: str,
        permissions: Iterable[str],
        *,
        granted_by: str | None,
        expires_at: datetime | None,
        accept: bool = False,
    ) -> Grant:
        """Insert or replace what an identity or a group may do to a name or glob; ``accept`` as in ``Rules.put``.

        Raises:
            AccessDenied: the caller does not hold `grant` and all of it there, for as long.
            Conflict: there are credentials whose makers do not hold it, and they are not accepted.
        """
        now = self._clock.now()
        wanted = StoredRule(
            kind=RuleKind.GRANT,
            subject=canonical_subject(user_id),
            pattern=canonical_pattern(pattern),
            terms=tuple(sorted(parse_permissions(permissions))),
            granted_by=granter(caller, granted_by),
            granted_at=now,
            expires_at=valid_future("expires_at", expires_at, now),
        )
        return (await self._rules.put(caller, wanted, "grant", accept=accept)).grant()

    async def revoke(self, caller: Caller, pattern: str, user_id: str) -> bool:
        """Take a grant away, on this node at once; False if there was none."""
        wanted = StoredRule(
            kind=RuleKind.GRANT,
            subject=canonical_subject(user_id),
            pattern=canonical_pattern(pattern),
            terms=(),
            granted_by=caller.id,
            granted_at=self._clock.now(),
        )
        return await self._rules.remove(caller, wanted, "revoke")

    async def check(self, caller: Caller, name: SecretName, user_id: str, permission: str) -> bool:
        """Whether an identity may do something now. Callers may ask about themselves, or with `grant` about others."""
        identity = canonical_identity(user_id)
        (wanted,) = parse_permissions([permission])
        if caller.id == identity:
            async with self._guard.own(caller, "check", name):
                self._book.check_lease(name)
                return self._book.find(caller, wanted, name) is not None
        async with self._guard.operation(caller, Permission.GRANT, name, "check"):
            return self._book.find(Caller(identity), wanted, name) is not None

    async def list_grants(self, caller: Caller) -> list[Grant]:
        """All grants in force, for those who may grant on the whole vault, or read its audit trail."""
        async with self._guard.operation(caller, Permission.GRANT, WHOLE_VAULT, "list_grants", Permission.AUDIT):
            found = await self._rules.in_force(RuleKind.GRANT)
        return [rule.grant() for rule in found]
