"""Replays recorded requests against other rules, and tells what would change."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from holdfast.domain.operations import SUFFICIENT
from holdfast.domain.policy import GROUP_PREFIX, Caller, Grant, Permission
from holdfast.domain.simulation import Affected, ChangeKind, RecordedRequest, RuleChange, SimulationReport
from holdfast.domain.validation import valid_number
from holdfast.errors import InvalidInput
from holdfast.ports import Clock, RequestLog, RuleKind, StoredRule
from holdfast.service.access.grants import GrantBook
from holdfast.service.access.guard import WHOLE_VAULT, Guard

MAX_DAYS: Final = 90
MAX_CHANGES: Final = 1000
MAX_KINDS: Final = 100_000
"""Kinds of requests replayed: an identity, an operation, a secret and the rule that decided."""

Decide: TypeAlias = Callable[[Caller, Permission, str], Grant | None]
_Key: TypeAlias = tuple[RuleKind, str, str, str]


class Simulator:
    """Answers what a change of the rules would break, for those who may audit or grant on the whole vault."""

    def __init__(self, *, guard: Guard, book: GrantBook, requests: RequestLog, clock: Clock) -> None:
        self._guard, self._book, self._requests, self._clock = guard, book, requests, clock

    async def simulate(self, caller: Caller, changes: Sequence[RuleChange], days: int) -> SimulationReport:
        """Replay the requests of the last ``days`` days against today's rules and against the changed ones."""
        valid_number("days", days, 1, MAX_DAYS)
        _check(changes)
        async with self._guard.operation(caller, Permission.GRANT, WHOLE_VAULT, "simulate", Permission.AUDIT):
            await self._book.load()
            requests = await self._requests.recorded_requests(
                timedelta(days=days), operations=list(SUFFICIENT), limit=MAX_KINDS + 1
            )
            replay = self._replay(changes, requests[:MAX_KINDS])
        return SimulationReport(
            days=days,
            requests=sum(request.count for request in requests[:MAX_KINDS]),
            breaks=_merged(replay.breaks),
            opens=_merged(replay.opens),
            refused_already=_merged(replay.refused_already),
            without_effect=replay.without_effect,
            truncated=len(requests) > MAX_KINDS,
        )

    def _replay(self, changes: Sequence[RuleChange], requests: Iterable[RecordedRequest]) -> "_Replay":
        standing = (rule for rule in self._book.rules() if rule.kind is not RuleKind.BREAK_GLASS and not rule.outlived)
        before = {_key(rule): rule for rule in standing}
        after, without_effect = _changed(before, changes, self._clock.now())
        replay = _Replay(
            now=self._book.decider(before.values()),
            then=self._book.decider(after.values()),
            lost={rule.name for key, rule in before.items() if key not in after and _of_group(rule)},
            kept={rule.name for key, rule in after.items() if key in before and _of_group(rule)},
            without_effect=without_effect,
        )
        for request in requests:
            replay.add(request)
        return replay


@dataclass(slots=True, kw_only=True)
class _Replay:
    """Decides each request twice.

    Whoever proved to be in a group when they asked is not known to be in it now: for such a request counts whether the
    group's rule that allowed it is ``lost`` or ``kept``.
    """

    now: Decide
    then: Decide
    lost: set[str]
    kept: set[str]
    without_effect: tuple[str, ...]
    breaks: list[Affected] = field(default_factory=list)
    opens: list[Affected] = field(default_factory=list)
    refused_already: list[Affected] = field(default_factory=list)

    def add(self, request: RecordedRequest) -> None:
        """Put one kind of request where it belongs."""
        today, then = _decide(self.now, request), _decide(self.then, request)
        if not request.allowed:
            if today is None and then is not None:
                self.opens.append(_affected(request, then))
        elif today is not None:
            if then is None:
                self.breaks.append(_affected(request, today))
        elif then is None and request.rule in self.lost:
            self.breaks.append(_affected(request, request.rule))
        elif then is None and request.rule not in self.kept:
            self.refused_already.append(_affected(request, None))


def _decide(decide: Decide, request: RecordedRequest) -> str | None:
    for permission in SUFFICIENT[request.operation]:
        found = decide(Caller(request.identity), permission, request.secret)
        if found is not None:
            return found.rule
    return None


def _changed(
    before: dict[_Key, StoredRule], changes: Sequence[RuleChange], now: datetime
) -> tuple[dict[_Key, StoredRule], tuple[str, ...]]:
    """The rules after the changes, and the changes that had no effect."""
    after, without_effect = dict(before), []
    for change in changes:
        rule = _rule_of(change, now)
        key, known = _key(rule), after.get(_key(rule))
        removing = change.kind in (ChangeKind.REVOKE, ChangeKind.UNASSIGN)
        if (removing and known is None) or (not removing and known is not None and _same(known, rule)):
            without_effect.append(str(change))
        elif removing:
            del after[key]
        else:
            after[key] = rule
    return after, tuple(without_effect)


def _rule_of(change: RuleChange, now: datetime) -> StoredRule:
    return StoredRule(
        kind=RuleKind.GRANT if change.role is None else RuleKind.ROLE,
        subject=change.subject,
        pattern=change.pattern,
        terms=tuple(sorted(change.permissions)) if change.role is None else (change.role.value,),
        granted_by="",
        granted_at=now,
    )


def _key(rule: StoredRule) -> _Key:
    return rule.kind, rule.subject, rule.pattern, rule.terms[0] if rule.kind is RuleKind.ROLE else ""


def _same(known: StoredRule, rule: StoredRule) -> bool:
    return known.terms == rule.terms and known.expires_at is None


def _of_group(rule: StoredRule) -> bool:
    return rule.subject.startswith(GROUP_PREFIX)


def _affected(request: RecordedRequest, rule: str | None) -> Affected:
    return Affected(
        identity=request.identity,
        operation=request.operation,
        secret=request.secret,
        count=request.count,
        last_seen=request.last_seen,
        rule=rule,
    )


def _merged(found: Iterable[Affected]) -> tuple[Affected, ...]:
    """One entry for each identity, operation, secret and rule, the most frequent first."""
    alike: defaultdict[tuple[str, str, str, str | None], list[Affected]] = defaultdict(list)
    for each in found:
        alike[each.identity, each.operation, each.secret, each.rule].append(each)
    merged = [
        Affected(
            identity=identity,
            operation=operation,
            secret=secret,
            rule=rule,
            count=sum(each.count for each in group),
            last_seen=max(each.last_seen for each in group),
        )
        for (identity, operation, secret, rule), group in alike.items()
    ]
    return tuple(sorted(merged, key=lambda each: (-each.count, each.identity, each.operation, each.secret)))


def _check(changes: Sequence[RuleChange]) -> None:
    if not 1 <= len(changes) <= MAX_CHANGES or not all(isinstance(change, RuleChange) for change in changes):
        raise InvalidInput(f"changes must be 1 to {MAX_CHANGES} RuleChange objects.", field="changes")
