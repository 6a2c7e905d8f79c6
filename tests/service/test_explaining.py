"""Why somebody may do something or not: the deciding rule, or what the nearest ones lack."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from holdfast.domain.explanation import Explanation, Verdict
from holdfast.domain.leases import Leases
from holdfast.domain.names import SecretName
from holdfast.domain.policy import AccessContext, Caller, Permission
from holdfast.domain.roles import Role
from holdfast.errors import AccessDenied, InvalidInput
from holdfast.ports import StoredRule
from holdfast.service.access.explaining import MAX_CONSIDERED, Explainer
from holdfast.service.access.grants import GrantBook
from holdfast.service.access.guard import Guard
from holdfast.service.manager import SecretsService
from tests.support.clock import VirtualClock
from tests.support.node import ALICE, audit
from tests.support.rules import SEALER, START, QuietFeed, QuietTrail, RulesInMemory, rule

NAME = SecretName("payments-db")
OWNER = Caller("system", is_system=True)


async def explained(
    *rules: StoredRule, living: Any = None, groups: tuple[str, ...] = (), asker: Caller = OWNER
) -> Explanation:
    """What is said of alice and `get`, at ``START``."""
    store, clock = RulesInMemory(*rules), VirtualClock(start=START)
    store.living = {NAME: living} if living else {}
    book = GrantBook(store, SEALER, QuietFeed(), clock, Leases(timedelta(seconds=30), [("pay*", timedelta(seconds=5))]))
    await book.load()
    explainer = Explainer(guard=Guard(book, QuietTrail(), clock), book=book, clock=clock)
    return await explainer.explain(asker, NAME, "alice", "get", groups)


@pytest.mark.parametrize(
    ("rules", "verdicts"),
    [
        ([], []),
        ([rule("bob", Role.ADMIN, "*")], []),
        ([rule("alice", Role.AUDITOR, "other")], []),
        ([rule("alice", {Permission.SET}, "payments-*")], [Verdict.OTHER_PERMISSIONS]),
        ([rule("alice", Role.READER, "payments-d")], [Verdict.OTHER_NAMES]),
        ([rule("alice", Role.READER, "*", expires_at=START)], [Verdict.EXPIRED]),
        ([rule("alice", Role.READER, NAME, incarnation=uuid4())], [Verdict.OUTLIVED]),
        (
            [
                rule("alice", Role.READER, "x*"),
                rule("alice", Role.READER, "pay-x", number=1),
                rule("alice", {Permission.SET}, "*"),
                rule("alice", {Permission.GET}, "*", expires_at=START),
            ],
            [Verdict.EXPIRED, Verdict.OTHER_PERMISSIONS, Verdict.OTHER_NAMES, Verdict.OTHER_NAMES],
        ),
    ],
)
async def test_a_refusal_names_what_the_nearest_rules_lack(rules: list[StoredRule], verdicts: list[Verdict]) -> None:
    found = await explained(*rules, living=uuid4())
    assert (found.allowed, found.rule) == (False, None)
    assert [each.verdict for each in found.considered] == verdicts
    assert found.reason.startswith("alice may not get payments-db: ")
    if verdicts:
        assert verdicts[0] in found.reason
        assert found.considered[0].rule in found.reason


async def test_the_deciding_rule_comes_first_and_is_the_one_the_guard_names() -> None:
    rules = [
        rule("alice", Role.READER, "*"),
        rule("alice", {Permission.GET}, "payments-*", number=7),
        rule("group:devs", Role.ADMIN, NAME),
    ]
    found = await explained(*rules, groups=("devs",))
    assert (found.allowed, found.rule, found.considered[0].rule) == (True, "grant:7", "grant:7")
    assert [each.verdict for each in found.considered] == [Verdict.ALLOWS] * 3
    assert found.lease_s == 5


async def test_an_explanation_is_bounded() -> None:
    found = await explained(*[rule("alice", {Permission.GET}, f"x{number}", number=number) for number in range(500)])
    assert len(found.considered) == MAX_CONSIDERED


async def test_questions_about_others_need_grant_or_audit_and_are_on_record(
    service: SecretsService, database_url: str
) -> None:
    await service.grant_access("k", "alice", ["get"])
    mine = await service.access.explain("k", "alice", "get", context=ALICE)
    assert mine.allowed
    with pytest.raises(AccessDenied):
        await service.access.explain("k", "bob", "get", context=ALICE)
    for permission in ("grant", "audit"):
        await service.grant_access("k", f"with-{permission}", [permission])
        asked = await service.access.explain("k", "alice", "get", context=AccessContext(user_id=f"with-{permission}"))
        assert asked.considered == mine.considered
    found = [(user, done) for user, operation, done, *_ in await audit(database_url, "k") if operation == "explain"]
    assert found == [("alice", True), ("alice", False), ("with-grant", True), ("with-audit", True)]


async def test_nothing_is_said_of_whether_a_secret_exists(service: SecretsService) -> None:
    await service.set_secret("there", "v")
    answers = [repr(await service.access.explain(name, "alice", "get", context=ALICE)) for name in ("there", "nowhere")]
    assert answers[0].replace("there", "X") == answers[1].replace("nowhere", "X")


@pytest.mark.parametrize(
    "question",
    [("k", "system", "get"), ("k", "alice", "fly"), ("a b", "alice", "get"), ("k", "group:", "get"), ("k", "", "get")],
)
async def test_no_other_questions(service: SecretsService, question: tuple[str, str, str]) -> None:
    with pytest.raises(InvalidInput):
        await service.access.explain(*question)


HIDDEN = [
    rule("alice", {Permission.GET}, "acquisition-of-acme", number=1),
    rule("group:devs", Role.READER, "acquisition-*"),
    rule("alice", {Permission.GET}, "team-b-*", number=2),
    rule("alice", {Permission.GET}, "pay*x", number=3),
]


@pytest.mark.parametrize("permission", [Permission.AUDIT, Permission.GRANT])
async def test_rules_on_names_that_the_asker_has_no_right_on_are_not_shown(permission: Permission) -> None:
    asker = rule("asker", {permission}, "payments-*", number=10)
    mine = rule("alice", {Permission.GET}, "payments-x", number=11)
    found = await explained(asker, mine, *HIDDEN, groups=("devs",), asker=Caller("asker"))
    assert [each.pattern for each in found.considered] == ["payments-x"]
    assert not any(each.pattern in repr(found) for each in HIDDEN)
    alone = await explained(asker, *HIDDEN, groups=("devs",), asker=Caller("asker"))
    assert alone.considered == ()
    assert not any(each.pattern in repr(alone) or each.name in repr(alone) for each in HIDDEN)


async def test_a_rule_that_decides_is_shown_however_far_it_reaches() -> None:
    asker = rule("asker", {Permission.AUDIT}, "payments-*", number=10)
    found = await explained(asker, rule("alice", Role.ADMIN, "*"), asker=Caller("asker"))
    assert (found.allowed, found.rule) == (True, "role:admin on *")
