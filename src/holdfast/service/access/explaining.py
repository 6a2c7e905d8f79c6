"""Answers why: the rule that decides, or the nearest ones that do not suffice."""

from collections.abc import Iterable
from datetime import datetime
from itertools import takewhile
from typing import Final

from holdfast.domain.explanation import Consideration, Explanation, Verdict
from holdfast.domain.names import SecretName, matches
from holdfast.domain.policy import (
    Caller,
    Permission,
    canonical_group,
    canonical_subject,
    parse_permissions,
)
from holdfast.ports import Clock, StoredRule
from holdfast.service.access.grants import GrantBook
from holdfast.service.access.guard import Guard

MAX_CONSIDERED: Final = 20
"""Rules shown in one explanation: the nearest ones."""

_NEARNESS: Final = tuple(Verdict)


class Explainer:
    """Explains decisions. Callers may ask about themselves, or with `grant` or `audit` about others."""

    def __init__(self, *, guard: Guard, book: GrantBook, clock: Clock) -> None:
        self._guard, self._book, self._clock = guard, book, clock

    async def explain(
        self, caller: Caller, name: SecretName, user_id: str, permission: str, groups: Iterable[str]
    ) -> Explanation:
        """Whether an identity or a group may do something now, and why.

        Raises:
            AccessDenied: the question is about somebody else, and the caller may neither grant nor audit there.
        """
        subject = canonical_subject(user_id)
        (wanted,) = parse_permissions([permission])
        memberships = frozenset(map(canonical_group, groups))
        if caller.id == subject:
            async with self._guard.own(caller, "explain", name):
                self._book.check_lease(name)
                return self._explained(caller, wanted, name, self._book.rules_for(caller))
        async with self._guard.operation(caller, Permission.GRANT, name, "explain", Permission.AUDIT):
            whom = Caller(subject, groups=memberships)
            shown = [rule for rule in self._book.rules_for(whom) if self._may_see(caller, rule, name)]
            return self._explained(whom, wanted, name, shown)

    def _may_see(self, caller: Caller, rule: StoredRule, name: SecretName) -> bool:
        """Rules on the very name are the answer; others take `audit` or `grant` on all of theirs."""
        return matches(rule.pattern, name) or self._book.oversees(caller, rule.pattern)

    def _explained(
        self, whom: Caller, permission: Permission, name: SecretName, shown: Iterable[StoredRule]
    ) -> Explanation:
        found = self._book.find(whom, permission, name)
        rule = found.rule if found is not None else None
        now = self._clock.now()
        considered = [_considered(each, permission, name, now) for each in shown]
        near = sorted((each for each in considered if each is not None), key=lambda each: _distance(each, rule, name))
        return Explanation(
            subject=whom.id,
            permission=permission,
            name=name,
            allowed=rule is not None,
            rule=rule,
            reason=_reason(whom, permission, name, near, allowed=rule is not None),
            considered=tuple(near[:MAX_CONSIDERED]),
            lease_s=self._book.lease_of(name),
        )


def _considered(rule: StoredRule, permission: Permission, name: SecretName, now: datetime) -> Consideration | None:
    """What a rule says to the question; None if it has nothing to do with it."""
    permissions = rule.permissions()
    fits, suffices = matches(rule.pattern, name), permission in permissions
    if not fits and not suffices:
        return None
    if fits and suffices:
        expired = rule.expires_at is not None and now >= rule.expires_at
        verdict = Verdict.OUTLIVED if rule.outlived else Verdict.EXPIRED if expired else Verdict.ALLOWS
    else:
        verdict = Verdict.OTHER_PERMISSIONS if fits else Verdict.OTHER_NAMES
    return Consideration(
        rule=rule.name,
        subject=rule.subject,
        pattern=rule.pattern,
        permissions=permissions,
        granted_by=rule.granted_by,
        expires_at=rule.expires_at,
        verdict=verdict,
    )


def _distance(each: Consideration, deciding: str | None, name: SecretName) -> tuple[bool, int, int, str]:
    """Sorts the deciding rule first, then by how little is missing, then by how much of the name fits."""
    common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(each.pattern, name, strict=False)))
    return each.rule != deciding, _NEARNESS.index(each.verdict), -common, each.rule


def _reason(whom: Caller, permission: Permission, name: SecretName, near: list[Consideration], *, allowed: bool) -> str:
    """One sentence for a person, with the mend where there is one."""
    if allowed:
        by = near[0]
        through = "" if by.subject == whom.id else f" of {by.subject}"
        return f"{whom.id} may {permission} {name}: {by.rule}{through} allows it."
    refusal = f"{whom.id} may not {permission} {name}"
    if not near:
        return f"{refusal}: no rule that you may see gives '{permission}' to {whom.id}, or anything on this name."
    nearest = near[0]
    ended = f" at {nearest.expires_at:%Y-%m-%dT%H:%M:%SZ}" if nearest.verdict is Verdict.EXPIRED else ""
    return f"{refusal}: the nearest rule, {nearest.rule} for {nearest.subject}, {nearest.verdict}{ended}."
