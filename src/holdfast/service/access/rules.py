"""How rules are made and withdrawn: within what the caller holds, bound to their secret's life, attested, announced."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from holdfast.domain.names import SecretName
from holdfast.domain.policy import MAX_GIVEN, Caller, Permission, canonical_identity
from holdfast.errors import Conflict
from holdfast.ports import Clock, GrantStore, RuleKind, Sealer, StoredRule
from holdfast.service.access.grants import GrantBook
from holdfast.service.access.guard import WHOLE_VAULT, Guard
from holdfast.service.access.inheriting import Inheritance
from holdfast.service.crashpoints import Crashpoint, no_crash


class Rules:
    """Changes the rules.

    Args:
        announce: tells this node of a change of one subject's rules and of its epoch; others learn of it by the feed.
    """

    def __init__(
        self,
        *,
        guard: Guard,
        book: GrantBook,
        store: GrantStore,
        sealer: Sealer,
        clock: Clock,
        announce: Callable[[int, str | None], Awaitable[None]],
        crashpoint: Crashpoint = no_crash,
    ) -> None:
        self._inheritance = Inheritance(guard, book)
        self._guard, self._book, self._store, self._sealer = guard, book, store, sealer
        self._clock, self._announce, self._crashpoint = clock, announce, crashpoint

    async def put(self, caller: Caller, rule: StoredRule, operation: str, *, accept: bool = False) -> StoredRule:
        """Insert or replace a rule; ``accept``: also for credentials whose makers could not have made it.

        Raises:
            AccessDenied: it allows more than the caller holds.
            Conflict: the subject has such credentials, and they are not accepted.
        """
        name = SecretName(rule.pattern)
        async with self._guard.operation(caller, Permission.GRANT, name, operation) as authorized:
            self._guard.check_delegation(authorized, rule.grant())
            self._check_room(caller, rule)
            rule = replace(rule, incarnation=await self._store.incarnation(rule.pattern))
            rule = replace(rule, attestation=self._sealer.attest(rule.facts()))
            approve = self._inheritance.approval(authorized, [rule.grant()], accept=accept, detail=rule.summary)
            number, epoch = await self._store.put(rule, approve)
            self._crashpoint("put")
        await self._announce(epoch, rule.subject)
        return replace(rule, id=number)

    def _check_room(self, caller: Caller, rule: StoredRule) -> None:
        """See that no one loads a subject with more rules than are of use: every node reads all of them.

        Raises:
            Conflict: the caller, who may not grant on '*', gave the subject as many as one may.
        """
        given = [each for each in self._book.rules_of(rule.subject) if each.granted_by == caller.id]
        replaced = any((each.kind, each.pattern) == (rule.kind, rule.pattern) for each in given)
        if len(given) >= MAX_GIVEN and not replaced and not self._book.allows_withdrawal(caller, WHOLE_VAULT):
            raise Conflict(
                f"{rule.subject!r} has {len(given)} rules from {caller.id!r}, and {MAX_GIVEN} is the most that one who "
                "may not grant on '*' gives to one subject: give patterns that cover more names, or revoke some."
            )

    async def remove(self, caller: Caller, rule: StoredRule, operation: str) -> bool:
        """Take a rule away, on this node at once; False if there was none.

        Raises:
            AccessDenied: the caller may not grant on all of its names.
        """
        name = SecretName(rule.pattern)
        async with self._guard.operation(caller, Permission.GRANT, name, operation) as authorized:
            self._guard.check_withdrawal(authorized, rule.pattern)
            removed, epoch = await self._store.remove(rule, self._guard.success(authorized, detail=rule.summary))
            self._crashpoint("removed")
        await self._announce(epoch, rule.subject)
        return removed

    async def in_force(self, kind: RuleKind) -> list[StoredRule]:
        """All rules of a kind that count now, in the order in which they were first made."""
        await self._book.load()
        now = self._clock.now()
        counting = (rule for rule in self._book.rules() if rule.kind is kind and not rule.outlived)
        return sorted((rule for rule in counting if not rule.grant().expired(now)), key=lambda rule: rule.id)


def granter(caller: Caller, granted_by: str | None) -> str:
    """Who is named as granter: the caller, unless the application that owns the service names somebody."""
    if granted_by is None or not caller.is_system:
        return caller.id
    return canonical_identity(granted_by)
