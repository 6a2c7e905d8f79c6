"""Emergency access: two others agree, it holds for its time, and nothing else changes."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from holdfast.domain.break_glass import RequestState
from holdfast.domain.policy import AccessContext
from holdfast.errors import AccessDenied, Conflict, InvalidInput, RequestNotFound, Throttled
from holdfast.service.manager import SecretsService
from tests.break_glass.support import (
    ANN,
    BEN,
    CAT,
    ERIN,
    REASON,
    SECRET,
    VALUE,
    asked,
    granted,
    let_pass,
    other_rules,
    prepare,
)
from tests.support.node import Inside, rows, service_on, within


async def may_get(service: SecretsService, who: AccessContext = ERIN, name: str = SECRET) -> bool:
    try:
        return (await service.get_secret(name, context=who)).value == VALUE
    except AccessDenied:
        return False


async def test_i15_two_others_agree_and_it_is_granted_on_record(ready: SecretsService, database_url: str) -> None:
    before = await other_rules(database_url)
    request = await asked(ready)
    assert (request.state, request.approvers, request.rotate) == (RequestState.REQUESTED, 2, True)
    assert not await may_get(ready)
    first = await ready.break_glass.approve(request.id, context=ANN)
    assert first.state is RequestState.REQUESTED
    assert not await may_get(ready)
    second = await ready.break_glass.approve(request.id, context=BEN)
    assert second.state is RequestState.APPROVED
    assert second.expires_at is not None
    assert second.decided_at is not None
    assert second.expires_at - second.decided_at == timedelta(hours=1)
    assert await may_get(ready)
    assert not await ready.check_access(SECRET, "erin", "set")
    assert await rows(
        database_url,
        "SELECT rule, detail FROM secret_access_logs WHERE user_id = 'erin' AND operation = 'get' AND success",
    ) == [(request.rule, "emergency")]
    assert await other_rules(database_url) == before


async def test_every_step_is_on_record_with_its_request(ready: SecretsService, database_url: str) -> None:
    request = await granted(ready)
    await ready.break_glass.revoke(request.id, context=CAT)
    found = await rows(
        database_url,
        "SELECT user_id, operation, secret_name, success, detail FROM secret_access_logs "
        "WHERE operation LIKE 'break_glass%' ORDER BY id",
    )
    assert [row[:4] for row in found] == [
        ("erin", "break_glass.request", SECRET, True),
        ("ann", "break_glass.approve", SECRET, True),
        ("ben", "break_glass.approve", SECRET, True),
        ("cat", "break_glass.revoke", SECRET, True),
    ]
    assert all(f"request {request.id} of erin for get: " in row[4] for row in found)


async def test_nobody_approves_their_own_request(ready: SecretsService) -> None:
    await ready.access.assign_role("erin", "approver", "*")
    request = await asked(ready)
    shouting = AccessContext(user_id="ERIN")
    await ready.access.assign_role("ERIN", "approver", "*")
    for oneself in (ERIN, shouting):
        for decide in (ready.break_glass.approve, ready.break_glass.deny):
            with pytest.raises(AccessDenied, match="their own request"):
                await decide(request.id, context=oneself)
    assert (await ready.break_glass.get(request.id, context=ERIN)).votes == ()


async def test_a_second_vote_of_the_same_person_counts_for_nothing(ready: SecretsService) -> None:
    request = await asked(ready)
    await ready.break_glass.approve(request.id, context=ANN)
    with pytest.raises(Conflict, match="agreed to"):
        await ready.break_glass.approve(request.id, context=ANN)
    assert not await may_get(ready)


async def test_one_person_who_votes_many_times_at_once_has_one_vote(database_url: str, tmp_path: Path) -> None:
    async with service_on(database_url, tmp_path / "1") as one, service_on(database_url, tmp_path / "2") as two:
        await prepare(one)
        request = await asked(one)

        async def heard_of() -> bool:  # by the other node, which hears of roles within a second
            try:
                return all([await two.break_glass.get(request.id, context=who) for who in (ANN, CAT)])
            except RequestNotFound:
                return False

        await within(30, heard_of)
        votes = [node.break_glass.approve(request.id, context=ANN) for node in (one, two, one, two)]
        outcomes = await asyncio.gather(*votes, return_exceptions=True)
        assert sorted(type(each).__name__ for each in outcomes) == ["Conflict"] * 3 + ["EmergencyRequest"]
        both = [node.break_glass.approve(request.id, context=who) for node, who in ((one, BEN), (two, CAT))]
        outcomes = await asyncio.gather(*both, return_exceptions=True)
        assert sorted(type(each).__name__ for each in outcomes) == ["Conflict", "EmergencyRequest"]
        assert await rows(database_url, "SELECT count(*) FROM break_glass_grants") == [(1,)]


async def test_an_approver_who_lost_the_role_counts_no_more(ready: SecretsService) -> None:
    request = await asked(ready)
    await ready.break_glass.approve(request.id, context=ANN)
    await ready.access.unassign_role("ann", "approver", "*")
    still = await ready.break_glass.approve(request.id, context=BEN)
    assert still.state is RequestState.REQUESTED
    assert not await may_get(ready)
    assert (await ready.break_glass.approve(request.id, context=CAT)).state is RequestState.APPROVED


async def test_an_approver_who_was_disabled_or_removed_counts_no_more(ready: SecretsService) -> None:
    request = await asked(ready)
    for who, end in ((ANN, ready.identities.disable), (BEN, ready.identities.remove)):
        await ready.identities.add(who.user_id, "person")
        await ready.break_glass.approve(request.id, context=who)
        await end(who.user_id)
    assert (await ready.break_glass.approve(request.id, context=CAT)).state is RequestState.REQUESTED


async def test_members_of_a_group_approve_as_long_as_the_group_may(ready: SecretsService) -> None:
    await ready.access.assign_role("group:sre", "approver", "payments-*")
    for name in ("dan", "eve"):
        await ready.identities.add(name, "person")
        await ready.identities.set_groups(name, ["sre"])
    request = await asked(ready)
    await ready.break_glass.approve(request.id, context=AccessContext(user_id="dan"))
    await ready.identities.set_groups("dan", [])
    after = await ready.break_glass.approve(request.id, context=AccessContext(user_id="eve"))
    assert after.state is RequestState.REQUESTED
    assert (await ready.break_glass.approve(request.id, context=ANN)).state is RequestState.APPROVED


async def test_approvers_need_all_names_of_the_request(ready: SecretsService) -> None:
    await ready.access.assign_role("dan", "approver", "payments-*")
    wide, narrow = await asked(ready, "p*"), await asked(ready, "payments-d*")
    dan = AccessContext(user_id="dan")
    with pytest.raises(RequestNotFound):
        await ready.break_glass.approve(wide.id, context=dan)
    assert [each.voter for each in (await ready.break_glass.approve(narrow.id, context=dan)).votes] == ["dan"]
    assert [each.id for each in await ready.break_glass.list(context=dan)] == [narrow.id]


async def test_who_may_not_decide_decides_nothing(ready: SecretsService, database_url: str) -> None:
    request = await granted(ready)
    reader = AccessContext(user_id="reader")
    await ready.access.assign_role("reader", "admin", "other-*")
    for call in (
        ready.break_glass.approve(request.id, context=reader),
        ready.break_glass.deny(request.id, context=reader),
        ready.break_glass.revoke(request.id, context=reader),
        ready.break_glass.withdraw(request.id, context=reader),
        ready.break_glass.get(request.id, context=reader),
    ):
        with pytest.raises(RequestNotFound):
            await call
    with pytest.raises(RequestNotFound):
        await ready.break_glass.get(request.id + 1, context=ANN)
    await ready.access.assign_role("reader", "auditor", "*")
    for call in (
        ready.break_glass.approve(request.id, context=reader),
        ready.break_glass.revoke(request.id, context=reader),
        ready.break_glass.withdraw(request.id, context=reader),
    ):
        with pytest.raises(AccessDenied):
            await call
    assert await may_get(ready)
    refused = await rows(
        database_url, "SELECT count(*) FROM secret_access_logs WHERE user_id = 'reader' AND NOT success"
    )
    assert refused == [(8,)]


async def test_denied_withdrawn_and_expired_requests_are_kept_and_give_nothing(inside: Inside) -> None:
    ready = inside.service
    denied, taken_back, late = [await asked(ready) for _ in range(3)]
    assert (await ready.break_glass.deny(denied.id, context=ANN)).state is RequestState.DENIED
    assert (await ready.break_glass.withdraw(taken_back.id, context=ERIN)).state is RequestState.WITHDRAWN
    await ready.break_glass.approve(late.id, context=ANN)
    await let_pass(inside, late.id, timedelta(minutes=61))
    for request in (denied, taken_back):
        with pytest.raises(Conflict, match=r"is (denied|withdrawn)"):
            await ready.break_glass.approve(request.id, context=BEN)
    states = {each.id: each.state for each in await ready.break_glass.list(context=ERIN)}
    assert states == {
        denied.id: RequestState.DENIED,
        taken_back.id: RequestState.WITHDRAWN,
        late.id: RequestState.EXPIRED,
    }
    assert await ready.break_glass.list(open_only=True, context=ERIN) == []
    assert not await may_get(ready)


async def test_an_approval_after_the_expiry_of_the_request_comes_too_late(inside: Inside) -> None:
    ready = inside.service
    request = await asked(ready)
    await ready.break_glass.approve(request.id, context=ANN)
    await let_pass(inside, request.id, timedelta(minutes=61))
    with pytest.raises(Conflict, match="is expired"):
        await ready.break_glass.approve(request.id, context=BEN)
    assert not await may_get(ready)


async def test_who_asked_may_give_it_back_early(ready: SecretsService) -> None:
    request = await granted(ready)
    assert (await ready.break_glass.withdraw(request.id, context=ERIN)).state is RequestState.ENDED
    assert not await may_get(ready)
    with pytest.raises(Conflict):
        await ready.break_glass.withdraw(request.id, context=ERIN)


async def test_what_hands_out_access_or_cannot_be_undone_is_not_to_be_asked_for(ready: SecretsService) -> None:
    for wrong in ("grant", "approve", "purge", "audit", "operate", "fly"):
        with pytest.raises(InvalidInput) as refused:
            await asked(ready, permissions=["get", wrong])
        assert refused.value.field == "permissions"
    request = await granted(ready, permissions=["get", "set", "rotate"])
    assert await ready.check_access(SECRET, "erin", "set")
    assert request.state is RequestState.APPROVED


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("reason", {"reason": "short"}),
        ("reason", {"reason": " " * 40}),
        ("reason", {"reason": "x" * 501}),
        ("reason", {"reason": "two lines\nof a good reason"}),
        ("reason", {"reason": None}),
        ("duration", {"duration": timedelta(hours=1, seconds=1)}),
        ("duration", {"duration": timedelta(seconds=59)}),
        ("duration", {"duration": 3600}),
        ("permissions", {"permissions": []}),
        ("name", {"name": "a*b*"}),
        ("name", {"name": ""}),
    ],
)
async def test_bad_requests_name_what_is_wrong(ready: SecretsService, field: str, wrong: dict[str, object]) -> None:
    asking = {"name": SECRET, "reason": REASON, "context": ERIN, **wrong}
    name = asking.pop("name")
    with pytest.raises(InvalidInput) as refused:
        await ready.break_glass.request(name, **asking)  # type: ignore[arg-type]  # wrong on purpose
    assert refused.value.field == field


async def test_the_owner_asks_for_nothing_and_has_no_vote(ready: SecretsService) -> None:
    with pytest.raises(InvalidInput, match="owns the service"):
        await ready.break_glass.request(SECRET, reason=REASON)
    request = await asked(ready)
    with pytest.raises(InvalidInput, match="a person's"):
        await ready.break_glass.approve(request.id)


async def test_requests_are_limited_for_one_person_alone(ready: SecretsService) -> None:
    for _ in range(10):
        await asked(ready)
    with pytest.raises(Throttled):
        await asked(ready)
    await asked(ready, who=AccessContext(user_id="frank"))


async def test_i13_no_value_reaches_the_tables(ready: SecretsService, database_url: str) -> None:
    await granted(ready)
    assert await may_get(ready)
    tables = ("requests", "votes", "grants", "reads", "codes")
    found = [row for each in tables for row in await rows(database_url, f"SELECT t::text FROM break_glass_{each} t")]
    assert VALUE not in str(found)


async def test_others_requests_push_ones_own_off_no_list(ready: SecretsService) -> None:
    mine = await asked(ready)
    for _ in range(3):
        await asked(ready, who=AccessContext(user_id="frank"))
    for open_only in (False, True):
        shown = await ready.break_glass.list(open_only=open_only, limit=2, context=ERIN)
        assert [each.id for each in shown] == [mine.id]
    assert len(await ready.break_glass.list(limit=2, context=ANN)) == 2
