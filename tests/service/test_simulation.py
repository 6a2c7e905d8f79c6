"""Recorded requests replayed against other rules."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.domain.policy import AccessContext, Caller, Permission
from holdfast.domain.roles import Role
from holdfast.domain.simulation import Affected, RecordedRequest, RuleChange
from holdfast.errors import AccessDenied, InvalidInput
from holdfast.ports import StoredRule
from holdfast.service.access.grants import GrantBook
from holdfast.service.access.guard import Guard
from holdfast.service.access.simulation import Simulator
from holdfast.service.manager import SecretsService
from tests.domain.test_grants import GLOBS, NAMES, oracle
from tests.support.clock import VirtualClock
from tests.support.node import ALICE, BOB
from tests.support.rules import BOOK_LEASES, SEALER, START, QuietFeed, QuietTrail, RulesInMemory, rule


async def prepared(service: SecretsService) -> None:
    """Alice and Bob read by different rules, a developer by that of a group; carol was refused."""
    for name in ("pay-db", "pay-api", "web"):
        await service.set_secret(name, "v")
    await service.grant_access("pay-db", "alice", ["get", "list"])
    await service.access.assign_role("bob", "reader", "*")
    await service.access.assign_role("group:devs", "reader", "web")
    for _ in range(3):
        await service.get_secret("pay-db", context=ALICE)
    for name in ("pay-db", "pay-api", "web"):
        await service.get_secret(name, context=BOB)
    await service.get_secret("web", context=Caller("dev", groups=frozenset({"devs"})))
    with pytest.raises(AccessDenied):
        await service.get_secret("web", context=AccessContext(user_id="carol"))


def brief(found: tuple[Affected, ...]) -> list[tuple[str, str, str, int]]:
    return [(each.identity, each.operation, each.secret, each.count) for each in found]


async def test_what_breaks_is_named_with_who_when_and_how_often(service: SecretsService) -> None:
    await prepared(service)
    report = await service.access.simulate([RuleChange.revoke("pay-db", "alice")])
    assert brief(report.breaks) == [("alice", "get", "pay-db", 3)]
    assert report.breaks[0].rule is not None
    assert report.breaks[0].rule.startswith("grant:")
    assert (report.requests, report.opens, report.refused_already, report.without_effect) == (8, (), (), ())
    assert (await service.get_secret("pay-db", context=ALICE)).value == "v"  # nothing was changed


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ([RuleChange.unassign("bob", "reader", "*")], ["pay-api", "pay-db", "web"]),
        ([RuleChange.unassign("bob", "reader", "*"), RuleChange.assign("bob", "reader", "pay-*")], ["web"]),
        ([RuleChange.unassign("bob", "reader", "*"), RuleChange.grant("*", "bob", ["get"])], []),
        ([RuleChange.unassign("bob", "reader", "*"), RuleChange.grant("*", "bob", ["list"])],
         ["pay-api", "pay-db", "web"]),
    ],
)  # fmt: skip
async def test_changes_count_together(service: SecretsService, changes: list[RuleChange], broken: list[str]) -> None:
    await prepared(service)
    report = await service.access.simulate(changes)
    assert [(each.identity, each.secret) for each in report.breaks] == [("bob", name) for name in broken]


async def test_the_loss_of_a_group_s_rule_breaks_its_members(service: SecretsService) -> None:
    await prepared(service)
    report = await service.access.simulate([RuleChange.unassign("group:devs", "reader", "web")])
    assert brief(report.breaks) == [("dev", "get", "web", 1)]
    untouched = await service.access.simulate([RuleChange.grant("x", "alice", ["get"])])
    assert (untouched.breaks, untouched.refused_already) == ((), ())


async def test_what_would_open_and_what_is_closed_already_is_told_apart(service: SecretsService) -> None:
    await prepared(service)
    await service.revoke_access("pay-db", "alice")
    report = await service.access.simulate([RuleChange.grant("web", "carol", ["get"])])
    assert brief(report.opens) == [("carol", "get", "web", 1)]
    assert brief(report.refused_already) == [("alice", "get", "pay-db", 3)]
    assert report.breaks == ()


async def test_changes_without_effect_are_named(service: SecretsService) -> None:
    await prepared(service)
    changes = [RuleChange.revoke("pay-*", "alice"), RuleChange.assign("bob", "reader", "*")]
    report = await service.access.simulate(changes)
    assert report.without_effect == ("revoke pay-* alice", "assign reader * bob")


async def test_only_those_who_may_audit_or_grant_everywhere_may_ask(service: SecretsService) -> None:
    changes = [RuleChange.revoke("k", "alice")]
    await service.access.assign_role("alice", "admin", "pay-*")
    await service.access.assign_role("bob", "auditor", "*")
    with pytest.raises(AccessDenied):
        await service.access.simulate(changes, context=ALICE)
    await service.access.simulate(changes, context=BOB)


@pytest.mark.parametrize("days", [0, 91, -1, True, 1.5, "7"])
async def test_no_other_periods(service: SecretsService, days: int) -> None:
    with pytest.raises(InvalidInput):
        await service.access.simulate([RuleChange.revoke("k", "alice")], days=days)


async def test_no_other_changes(service: SecretsService) -> None:
    for wrong in ([], ["revoke k alice"], [RuleChange.revoke("k", "alice")] * 1001):
        with pytest.raises(InvalidInput):
            await service.access.simulate(wrong)  # type: ignore[arg-type]


def test_changes_are_checked_as_the_real_ones_are() -> None:
    with pytest.raises(InvalidInput, match="reserved"):
        RuleChange.grant("k", "system", ["get"])
    with pytest.raises(InvalidInput, match="not a permission"):
        RuleChange.grant("k", "alice", ["fly"])
    with pytest.raises(InvalidInput, match="not a role"):
        RuleChange.assign("alice", "wizard", "k")
    with pytest.raises(InvalidInput, match="not valid"):
        RuleChange.revoke("a b", "alice")


class Requests:
    """A log of requests."""

    def __init__(self, *requests: RecordedRequest) -> None:
        self.requests = list(requests)

    async def recorded_requests(self, since: object, *, operations: object, limit: int) -> list[RecordedRequest]:
        return self.requests[:limit]


RULES = st.lists(
    st.builds(
        rule,
        st.sampled_from(["alice", "bob"]),
        st.sampled_from(Role) | st.sets(st.sampled_from(Permission), min_size=1, max_size=3),
        NAMES | GLOBS,
    ),
    max_size=6,
    unique_by=lambda each: (each.kind, each.subject, each.pattern),
)
CHANGES = st.lists(
    st.builds(RuleChange.revoke, NAMES | GLOBS, st.sampled_from(["alice", "bob"]))
    | st.builds(RuleChange.grant, NAMES | GLOBS, st.sampled_from(["alice", "bob"]), st.just(["get"])),
    min_size=1,
    max_size=4,
)


@settings(max_examples=200, deadline=None)
@given(RULES, CHANGES, st.sampled_from(["alice", "bob"]), NAMES, st.booleans())
async def test_a_replay_agrees_with_deciding_by_hand(
    rules: list[StoredRule], changes: list[RuleChange], identity: str, name: str, allowed: bool
) -> None:
    clock, store = VirtualClock(start=START), RulesInMemory(*rules)
    book = GrantBook(store, SEALER, QuietFeed(), clock, BOOK_LEASES)
    request = RecordedRequest(
        identity=identity, operation="get", secret=name, allowed=allowed, rule=None, count=1, last_seen=START
    )
    simulator = Simulator(guard=Guard(book, QuietTrail(), clock), book=book, requests=Requests(request), clock=clock)
    report = await simulator.simulate(Caller("system", is_system=True), changes, 7)
    then = [each for each in rules if not any(_touches(change, each) for change in changes)]
    final = {(change.pattern, change.subject): change for change in changes}
    then += [rule(c.subject, set(c.permissions), c.pattern) for c in final.values() if c.permissions]
    was, would_be = (
        bool(oracle([each.grant() for each in held if each.subject == identity], Permission.GET, name))
        for held in (rules, then)
    )
    assert bool(report.breaks) == (allowed and was and not would_be)
    assert bool(report.opens) == (not allowed and not was and would_be)
    assert bool(report.refused_already) == (allowed and not was and not would_be)


def _touches(change: RuleChange, held: StoredRule) -> bool:
    return held.kind == "grant" and (held.pattern, held.subject) == (change.pattern, change.subject)
