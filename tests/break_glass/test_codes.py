"""Recovery codes, and second factors: what stands for approvers, and for whom it does not."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from holdfast.domain.break_glass import EmergencyPolicies, EmergencyPolicy, RequestState
from holdfast.domain.policy import AccessContext
from holdfast.errors import AccessDenied, Conflict, InvalidInput, Unauthenticated
from holdfast.service.manager import SecretsService
from tests.break_glass.support import ANN, BEN, ERIN, REASON, SECRET, VALUE, asked, prepare, with_policies
from tests.service.test_secondfactor import enrolled, next_code
from tests.support.node import Inside, rows, service_on
from tests.support.postgres import execute

ADMIN = AccessContext(user_id="root-admin")

DAY_OLD = "UPDATE identities SET totp_confirmed_at = now() - interval '25 hours'"


async def test_enough_codes_of_one_set_stand_for_the_approvers(ready: SecretsService, database_url: str) -> None:
    made = await ready.break_glass.codes.create("payments-*", number=5, threshold=2)
    request = await asked(ready)
    sloppy = [made.codes[3].lower().replace("-", " "), made.codes[0].replace("0", "O").replace("1", "l")]
    approved = await ready.break_glass.redeem(request.id, sloppy, context=ERIN)
    assert (approved.state, approved.decided_by) == (
        RequestState.APPROVED,
        f"recovery codes of set {made.set.id}",
    )
    assert (await ready.get_secret(SECRET, context=ERIN)).value == VALUE
    (status,) = await ready.break_glass.codes.list()
    assert (status.left, sorted(status.used), status.last_used_at is not None) == (3, [1, 4], True)
    uses = await rows(
        database_url,
        "SELECT detail FROM secret_access_logs WHERE operation = 'break_glass.redeem' AND success AND secret_name = $1 "
        "ORDER BY detail",
        SECRET,
    )
    assert [use for (use,) in uses] == [
        f"code 1 of set {made.set.id} is spent on request {request.id}; 3 are left",
        f"code 4 of set {made.set.id} is spent on request {request.id}; 3 are left",
        uses[2][0],
    ]
    assert f"request {request.id} of erin for get: approved until" in uses[2][0]


async def test_a_replayed_code_is_refused(ready: SecretsService) -> None:
    made = await ready.break_glass.codes.create(number=4)
    first, second, third = [await asked(ready) for _ in range(3)]
    await ready.break_glass.redeem(first.id, made.codes[:2], context=ERIN)
    for again in (made.codes[:2], made.codes[1:3]):
        with pytest.raises(AccessDenied, match="good once"):
            await ready.break_glass.redeem(second.id, again, context=ERIN)
    with pytest.raises(Conflict):
        await ready.break_glass.redeem(first.id, made.codes[2:], context=ERIN)
    await ready.break_glass.redeem(third.id, made.codes[2:], context=ERIN)
    assert [each.left for each in await ready.break_glass.codes.list()] == [0]


async def test_codes_used_on_two_nodes_at_once_let_one_request_in(database_url: str, tmp_path: Path) -> None:
    async with service_on(database_url, tmp_path / "1") as one, service_on(database_url, tmp_path / "2") as two:
        await prepare(one)
        made = await one.break_glass.codes.create(number=2)
        requests = [await asked(one) for _ in range(4)]
        tries = [
            node.break_glass.redeem(request.id, made.codes, context=ERIN)
            for node, request in zip((one, two, one, two), requests, strict=True)
        ]
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
        assert sorted(type(each).__name__ for each in outcomes) == ["AccessDenied"] * 3 + ["EmergencyRequest"]


async def test_too_few_doubled_or_mixed_codes_are_refused_and_none_is_spent(ready: SecretsService) -> None:
    made = await ready.break_glass.codes.create("payments-*", number=3)
    elsewhere = await ready.break_glass.codes.create("other-*", number=3)
    request = await asked(ready)
    wrong: list[list[str]] = [
        [made.codes[0]],
        [made.codes[0], made.codes[0]],
        [made.codes[0], elsewhere.codes[0]],
        list(elsewhere.codes),
    ]
    for each in wrong:
        with pytest.raises(AccessDenied):
            await ready.break_glass.redeem(request.id, each, context=ERIN)
    assert [each.left for each in await ready.break_glass.codes.list()] == [3, 3]
    for no_codes in ([], "AAAAA", [made.codes[0]] * 21, None):
        with pytest.raises(InvalidInput):
            await ready.break_glass.redeem(request.id, no_codes, context=ERIN)  # type: ignore[arg-type]  # on purpose
    await ready.break_glass.redeem(request.id, made.codes, context=ERIN)
    assert [each.left for each in await ready.break_glass.codes.list()] == [1, 3]


async def test_a_request_that_met_wrong_codes_too_often_is_for_approvers_alone(ready: SecretsService) -> None:
    made = await ready.break_glass.codes.create(number=2)
    request = await asked(ready)
    junk = ["", "x" * 10_000, "\0", "ÀÀÀÀÀ-ÀÀÀÀÀ-ÀÀÀÀÀ-ÀÀÀÀÀ-ÀÀÀÀÀ", "00000-00000-00000-00000-00000"]
    for each in junk:
        with pytest.raises(AccessDenied):
            await ready.break_glass.redeem(request.id, [each, each], context=ERIN)
    with pytest.raises(Conflict, match="approvers alone"):
        await ready.break_glass.redeem(request.id, made.codes, context=ERIN)
    await ready.break_glass.approve(request.id, context=ANN)
    assert (await ready.break_glass.approve(request.id, context=BEN)).state is RequestState.APPROVED


async def test_codes_let_in_neither_who_made_them_nor_for_others(ready: SecretsService) -> None:
    await ready.access.assign_role("root-admin", "admin", "*")
    made = await ready.break_glass.codes.create(number=4, context=ADMIN)
    own = await asked(ready, who=ADMIN)
    with pytest.raises(AccessDenied, match="somebody else"):
        await ready.break_glass.redeem(own.id, made.codes[:2], context=ADMIN)
    request = await asked(ready)
    with pytest.raises(AccessDenied, match="not yours"):
        await ready.break_glass.redeem(request.id, made.codes[:2], context=ADMIN)
    await ready.break_glass.redeem(request.id, made.codes[:2], context=ERIN)


async def test_only_administrators_make_see_and_remove_codes(ready: SecretsService) -> None:
    await ready.grant_access("payments-*", "ann", ["grant", "get"])
    made = await ready.break_glass.codes.create(number=2)
    for call in (
        ready.break_glass.codes.create("payments-*", context=ANN),
        ready.break_glass.codes.list(context=ANN),
        ready.break_glass.codes.remove(made.set.id, context=ANN),
    ):
        with pytest.raises(AccessDenied):
            await call
    for number, threshold in ((1, 1), (5, 1), (21, 2), (2, 3), (0, 2)):
        with pytest.raises(InvalidInput):
            await ready.break_glass.codes.create(number=number, threshold=threshold)
    await ready.access.assign_role("root-admin", "admin", "*")
    again = await ready.break_glass.codes.create(number=3, context=ADMIN)
    assert [each.id for each in await ready.break_glass.codes.list(context=ADMIN)] == [again.set.id]
    request = await asked(ready)
    with pytest.raises(AccessDenied):
        await ready.break_glass.redeem(request.id, made.codes, context=ERIN)
    assert await ready.break_glass.codes.remove(again.set.id, context=ADMIN) is True
    assert await ready.break_glass.codes.remove(again.set.id, context=ADMIN) is False
    with pytest.raises(AccessDenied):
        await ready.break_glass.redeem(request.id, again.codes, context=ERIN)


async def test_i8_edited_codes_open_nothing(ready: SecretsService, database_url: str) -> None:
    made = await ready.break_glass.codes.create(number=2)
    first, second = await asked(ready), await asked(ready)
    await ready.break_glass.redeem(first.id, made.codes, context=ERIN)
    await execute(database_url, "UPDATE break_glass_codes SET used = '{}'")
    with pytest.raises(AccessDenied):
        await ready.break_glass.redeem(second.id, made.codes, context=ERIN)
    assert await ready.break_glass.codes.list() == []


async def test_i13_codes_are_nowhere_but_in_the_answer(ready: SecretsService, database_url: str) -> None:
    made = await ready.break_glass.codes.create(number=2)
    assert made.codes[0] not in repr(made)
    await ready.break_glass.redeem((await asked(ready)).id, made.codes, context=ERIN)
    dump = str(
        [
            await rows(database_url, f"SELECT t::text FROM {table} t")
            for table in ("break_glass_codes", "break_glass_requests", "secret_access_logs", "audit_outbox")
        ]
    )
    for code in made.codes:
        for form in (code, code.replace("-", ""), code.encode().hex()):
            assert form not in dump


async def test_where_the_policy_says_so_a_second_factor_is_enough_and_needed(inside: Inside, database_url: str) -> None:
    service = inside.service
    alone = with_policies(
        inside,
        EmergencyPolicies(policies=(EmergencyPolicy(pattern="payments-*", approvers=0, second_factor=True),)),
    )
    app = await enrolled(service, ERIN)
    await execute(database_url, DAY_OLD)
    asking = {"reason": REASON, "context": ERIN}
    with pytest.raises(InvalidInput) as missing:
        await alone.request(SECRET, **asking)  # type: ignore[arg-type]  # of several types
    assert missing.value.field == "code"
    with pytest.raises(Unauthenticated):
        await alone.request(SECRET, code="000000", **asking)  # type: ignore[arg-type]
    code = next_code(service, app)
    request = await alone.request(SECRET, code=code, **asking)  # type: ignore[arg-type]
    assert (request.state, request.decided_by) == (RequestState.APPROVED, "second factor")
    assert (await service.get_secret(SECRET, context=ERIN)).value == VALUE
    with pytest.raises(Unauthenticated):
        await alone.request(SECRET, code=code, **asking)  # type: ignore[arg-type]
    with pytest.raises(Unauthenticated):
        await alone.request(SECRET, reason=REASON, code="123456", context=AccessContext(user_id="frank"))


async def test_a_second_factor_that_is_new_lets_nobody_in_alone(inside: Inside) -> None:
    """Whoever stole a login of somebody without one sets one up, and would be let in by it."""
    service = inside.service
    app = await enrolled(service, ERIN)
    alone = with_policies(inside, EmergencyPolicies(default=EmergencyPolicy(approvers=0, second_factor=True)))
    with pytest.raises(AccessDenied, match="a day ago"):
        await alone.request(SECRET, reason=REASON, code=next_code(service, app), context=ERIN)
    with pytest.raises(AccessDenied):
        await service.get_secret(SECRET, context=ERIN)
    both = with_policies(inside, EmergencyPolicies(default=EmergencyPolicy(approvers=1, second_factor=True)))
    request = await both.request(SECRET, reason=REASON, code=next_code(service, app), context=ERIN)
    assert (request.state, request.approvers) == (RequestState.REQUESTED, 1), "somebody else looks at it"


async def test_a_request_satisfies_every_policy_that_it_touches(inside: Inside) -> None:
    both = with_policies(
        inside,
        EmergencyPolicies(
            policies=(
                EmergencyPolicy(pattern="payments-*", approvers=1, max_duration=timedelta(minutes=30), rotate=False),
                EmergencyPolicy(pattern="*-db", approvers=3, max_duration=timedelta(hours=2)),
            )
        ),
    )
    request = await both.request(SECRET, reason=REASON, context=ERIN)
    assert (request.approvers, request.duration, request.rotate) == (3, timedelta(minutes=30), True)
    narrow = await both.request("payments-key", reason=REASON, context=ERIN)
    assert (narrow.approvers, narrow.rotate) == (1, False)
    assert (await both.approve(narrow.id, context=ANN)).state is RequestState.APPROVED
    assert (await both.request("payments-k*", reason=REASON, context=ERIN)).approvers == 3
    assert (await both.request("*", reason=REASON, context=ERIN)).approvers == 3
    assert (await both.request("other", reason=REASON, context=ERIN)).approvers == 2
