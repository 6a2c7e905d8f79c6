"""What an approval gives: one rule of its own, for its time, whatever happens to nodes, clocks and secrets."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from holdfast.bootstrap.background import gauging
from holdfast.domain.audit import record_of
from holdfast.domain.break_glass import EmergencyPolicies, EmergencyPolicy, EmergencyRequest, RequestState
from holdfast.domain.explanation import Verdict
from holdfast.domain.leases import Leases
from holdfast.domain.names import SecretName
from holdfast.domain.policy import AccessContext, Caller, Permission
from holdfast.domain.secret import RotationPolicy
from holdfast.domain.simulation import RuleChange
from holdfast.errors import AccessDenied, Conflict, IntegrityFailure, RequestNotFound
from holdfast.ports import RuleKind, StoredRule
from holdfast.service.access.grants import GrantBook
from holdfast.service.break_glass.ending import LOOK_BACK, EmergencyEnds
from holdfast.service.manager import SecretsService
from holdfast.stores.postgres.outbox import put_record
from tests.break_glass.support import (
    ANN,
    BEN,
    CAT,
    ERIN,
    SECRET,
    VALUE,
    asked,
    granted,
    let_pass,
    other_rules,
    prepare,
    with_policies,
)
from tests.support.clock import VirtualClock
from tests.support.node import Inside, opened, rows, service_on, within
from tests.support.postgres import execute
from tests.support.rules import SEALER, START, QuietFeed, RulesInMemory, rule

MINUTES = timedelta(minutes=1)


async def decides(service: SecretsService, name: str = SECRET, permission: str = "get") -> str | None:
    """The rule by which Erin may."""
    return (await service.access.explain(name, "erin", permission, context=ERIN)).rule


async def test_i15_two_overlapping_grants_end_each_at_its_own_time(inside: Inside, database_url: str) -> None:
    service, before = inside.service, await other_rules(database_url)
    wide, narrow = await granted(service, "payments-*"), await granted(service)
    for first, second in ((wide, narrow), (narrow, wide)):
        assert await decides(service) in (first.rule, second.rule)
    await let_pass(inside, wide.id, 61 * MINUTES)
    assert await decides(service) == narrow.rule
    await inside.parts.break_glass.ends.sweep()
    assert await decides(service) == narrow.rule
    assert (await service.get_secret(SECRET, context=ERIN)).value == VALUE
    await service.break_glass.revoke(narrow.id, context=CAT)
    assert await decides(service) is None
    assert await other_rules(database_url) == before


async def test_i15_case_24_a_lasting_grant_is_the_same_after_the_emergency(inside: Inside, database_url: str) -> None:
    service = inside.service
    await service.grant_access(SECRET, "erin", ["get", "set"])
    before, lasting = await other_rules(database_url), await decides(service)
    request = await granted(service, permissions=["get", "rotate"])
    assert await decides(service) == lasting, "emergency access is asked last"
    assert await decides(service, permission="rotate") == request.rule
    await let_pass(inside, request.id, 61 * MINUTES)
    await inside.parts.break_glass.ends.sweep()
    assert await other_rules(database_url) == before
    assert await decides(service) == lasting
    assert await decides(service, permission="rotate") is None


async def test_i15_a_grant_ends_also_where_its_node_is_gone(database_url: str, tmp_path: Path) -> None:
    """No timer in a process ends it: the node that granted it stops, and another starts after its time."""
    async with opened(database_url, tmp_path / "1") as inside:
        await prepare(inside.service)
        short = with_policies(inside, EmergencyPolicies(default=EmergencyPolicy(max_duration=timedelta(seconds=10))))
        request = await short.request(SECRET, reason="A real emergency", context=ERIN)
        for who in (ANN, BEN):
            await short.approve(request.id, context=who)
    async with service_on(database_url, tmp_path / "2") as other:
        assert (await other.get_secret(SECRET, context=ERIN)).value == VALUE
        asking = AccessContext(user_id="erin")

        async def refused() -> bool:
            try:
                await other.get_secret(SECRET, context=asking)
            except AccessDenied:
                return True
            return False

        await within(60, refused)
        assert (await other.break_glass.get(request.id, context=ERIN)).state is RequestState.ENDED
    async with service_on(database_url, tmp_path / "3") as restarted:
        with pytest.raises(AccessDenied):
            await restarted.get_secret(SECRET, context=ERIN)


async def test_i15_a_restart_within_the_window_neither_ends_nor_lengthens_it(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path / "1") as inside:
        await prepare(inside.service)
        request = await granted(inside.service)
    async with opened(database_url, tmp_path / "1") as inside:
        assert await decides(inside.service) == request.rule
        assert (await inside.service.break_glass.get(request.id, context=ERIN)).expires_at == request.expires_at
        await let_pass(inside, request.id, 61 * MINUTES)
        assert await decides(inside.service) is None


async def test_i15_no_step_of_a_clock_lengthens_a_grant() -> None:
    """The clock of decisions counts what has passed since the database told the time; a step of the machine's own
    clock is none of its business. Here it jumps past the end and back.
    """
    clock = VirtualClock()
    given = StoredRule(
        kind=RuleKind.BREAK_GLASS,
        id=7,
        subject="erin",
        pattern=SECRET,
        terms=("get",),
        granted_by="ben",
        granted_at=START,
        expires_at=clock.now() + 60 * MINUTES,
    )
    store = RulesInMemory(replace(given, attestation=SEALER.attest(given.facts())))
    book = GrantBook(store, SEALER, QuietFeed(), clock, Leases(timedelta(days=1)))
    await book.load()
    clock.move(3599)
    assert book.rule(Caller("erin"), Permission.GET, SECRET) == "break-glass:7"
    clock.move(1)
    assert book.rule(Caller("erin"), Permission.GET, SECRET) is None
    clock.move(86_400)
    await book.load()
    assert book.rule(Caller("erin"), Permission.GET, SECRET) is None
    clock.move(-86_460)
    assert book.rule(Caller("erin"), Permission.GET, SECRET) == "break-glass:7"


async def test_i6_a_grant_revoked_in_the_window_ends_here_at_once_and_elsewhere_within_a_second(
    database_url: str, tmp_path: Path
) -> None:
    async with service_on(database_url, tmp_path / "1") as one, service_on(database_url, tmp_path / "2") as two:
        await prepare(one)
        request = await granted(one)

        async def reads() -> bool:
            try:
                await two.get_secret(SECRET, context=ERIN)
            except AccessDenied:
                return False
            return True

        await within(30, reads)
        revoked = await one.break_glass.revoke(request.id, context=CAT)
        assert (revoked.state, revoked.ended_by) == (RequestState.REVOKED, "cat")
        with pytest.raises(AccessDenied):
            await one.get_secret(SECRET, context=ERIN)

        async def refused() -> bool:
            return not await reads()

        await within(30, refused)
        with pytest.raises(Conflict):
            await one.break_glass.revoke(request.id, context=CAT)


async def test_i15_a_purge_in_the_window_ends_grants_and_open_requests(inside: Inside, database_url: str) -> None:
    service = inside.service
    open_one, live, wide = await asked(service), await granted(service), await granted(service, "payments-*")
    await service.delete_secret(SECRET)
    await service.purge_secret(SECRET)
    states = {each.id: each.state for each in await service.break_glass.list(context=ERIN)}
    assert states == {
        open_one.id: RequestState.VOID,
        live.id: RequestState.VOID,
        wide.id: RequestState.APPROVED,
    }
    with pytest.raises(Conflict, match="is void"):
        await service.break_glass.approve(open_one.id, context=ANN)
    await service.break_glass.withdraw(wide.id, context=ERIN)
    await service.set_secret(SECRET, "c4n4ry-of-another-team")
    with pytest.raises(AccessDenied):
        await service.get_secret(SECRET, context=ERIN)
    assert await rows(database_url, "SELECT id FROM break_glass_grants") == []


async def test_i15_a_request_is_for_one_life_of_its_secret(inside: Inside, database_url: str) -> None:
    """Even if nothing voided it, as a node of the release before would not."""
    service = inside.service
    request = await asked(service)
    await service.break_glass.approve(request.id, context=ANN)
    await execute(database_url, "DELETE FROM secrets_vault")
    await service.set_secret(SECRET, "c4n4ry-of-another-team")
    with pytest.raises(Conflict, match="is gone"):
        await service.break_glass.approve(request.id, context=BEN)
    assert await decides(service) is None


async def test_the_end_of_an_identity_ends_its_emergencies(inside: Inside, database_url: str) -> None:
    service = inside.service
    await service.identities.add("erin", "person")
    open_one, live = await asked(service), await granted(service)
    await service.identities.remove("erin")
    assert await rows(database_url, "SELECT id, state FROM break_glass_requests ORDER BY id") == [
        (open_one.id, "void"),
        (live.id, "void"),
    ]
    await service.identities.add("erin", "person")
    assert await decides(service) is None


async def test_what_a_stolen_admin_token_agreed_to_counts_no_more_once_it_is_taken_back(inside: Inside) -> None:
    service, admin = inside.service, AccessContext(user_id="admin")
    await service.identities.bootstrap()
    request = await asked(service)
    await service.break_glass.approve(request.id, context=admin)
    await service.identities.reset_admin()
    assert (await service.break_glass.approve(request.id, context=ANN)).state is RequestState.REQUESTED
    assert (await service.break_glass.approve(request.id, context=admin)).state is RequestState.APPROVED


async def test_i15_emergency_access_cannot_be_passed_on(inside: Inside) -> None:
    """Whoever may grant, and has `get` by break-glass only, hands out no `get`: neither by rules nor by tokens."""
    service = inside.service
    await service.grant_access("*", "erin", ["grant"])
    await granted(service)
    await service.identities.add("erin", "person")
    for call in (
        service.grant_access(SECRET, "frank", ["get"], context=ERIN),
        service.access.assign_role("frank", "reader", SECRET, context=ERIN),
        service.tokens.create("erin", context=ERIN),
        service.break_glass.codes.create(SECRET, context=ERIN),
    ):
        with pytest.raises(AccessDenied):
            await call
    with pytest.raises(AccessDenied):
        await service.get_secret(SECRET, context=AccessContext(user_id="frank"))


async def test_every_decision_shows_in_explain(inside: Inside) -> None:
    service = inside.service
    request = await granted(service)
    found = await service.access.explain(SECRET, "erin", "get")
    assert (found.allowed, found.rule) == (True, request.rule)
    assert f"{request.rule} allows it" in found.reason
    assert [(each.rule, each.granted_by, each.verdict) for each in found.considered] == [
        (request.rule, "ben", Verdict.ALLOWS)
    ]
    await let_pass(inside, request.id, 61 * MINUTES)
    found = await service.access.explain(SECRET, "erin", "get")
    assert (found.allowed, found.considered[0].verdict) == (False, Verdict.EXPIRED)
    assert "has expired" in found.reason


async def test_simulations_leave_emergencies_out(inside: Inside) -> None:
    service = inside.service
    await granted(service)
    await service.get_secret(SECRET, context=ERIN)
    report = await service.access.simulate([RuleChange.unassign("cat", "approver", "*")])
    assert not [each for each in (*report.breaks, *report.refused_already) if each.identity == "erin"]


async def test_i8_what_somebody_wrote_into_the_database_gives_nothing(inside: Inside, database_url: str) -> None:
    service = inside.service
    request = await granted(service)
    await execute(database_url, "UPDATE break_glass_grants SET expires_at = expires_at + interval '1 day'")
    await inside.parts.book.load()
    assert await decides(service) is None
    assert inside.parts.book.ignored() == 1
    other = await asked(service)
    await execute(database_url, f"UPDATE break_glass_requests SET approvers = 1 WHERE id = {other.id}")
    with pytest.raises(IntegrityFailure):
        await service.break_glass.approve(other.id, context=ANN)
    denied = await asked(service)
    await service.break_glass.deny(denied.id, context=CAT)
    await execute(database_url, f"UPDATE break_glass_requests SET state = 'requested' WHERE id = {denied.id}")
    with pytest.raises(IntegrityFailure):
        await service.break_glass.approve(denied.id, context=ANN)
    third = await asked(service)
    await execute(
        database_url,
        "INSERT INTO break_glass_votes SELECT "
        f"{third.id}, 'ann', voted_at, groups, rule, attestation FROM break_glass_votes "
        f"WHERE request_id = {request.id} AND voter = 'ann'",
    )
    still = await service.break_glass.approve(third.id, context=BEN)
    assert still.state is RequestState.REQUESTED


async def test_the_sweep_notes_ends_once_on_all_nodes_together(inside: Inside, database_url: str) -> None:
    service = inside.service
    late, live = await asked(service), await granted(service)
    for each in (late, live):
        await let_pass(inside, each.id, 61 * MINUTES)
    await asyncio.gather(*(inside.parts.break_glass.ends.sweep() for _ in range(3)))
    assert await rows(database_url, "SELECT id, state FROM break_glass_requests ORDER BY id") == [
        (late.id, "expired"),
        (live.id, "ended"),
    ]
    assert await rows(database_url, "SELECT id FROM break_glass_grants") == []
    assert await rows(
        database_url,
        "SELECT operation, secret_name FROM secret_access_logs WHERE operation IN ('break_glass.end', "
        "'break_glass.lapse') ORDER BY operation",
    ) == [("break_glass.end", SECRET), ("break_glass.lapse", SECRET)]


async def test_what_was_read_is_rotated_a_minute_after_the_end(inside: Inside, database_url: str) -> None:
    service = inside.service
    policy = RotationPolicy(interval_days=90, auto_rotate=True, handler="random")
    for name in ("payments-rotated", "payments-untouched"):
        await service.set_secret(name, VALUE, rotation_policy=policy)
    request = await granted(service, "payments-*")
    for name in (SECRET, "payments-rotated"):
        await service.get_secret(name, context=ERIN)
    await service.get_secret("payments-untouched")
    await rows(database_url, "SELECT 1 FROM secret_access_logs")
    sweep = inside.parts.break_glass.ends.sweep
    await service.break_glass.withdraw(request.id, context=ERIN)
    await sweep()
    assert await service.execute_scheduled_rotations() == []
    await let_pass(inside, request.id, timedelta(seconds=0))
    await execute(database_url, "UPDATE break_glass_requests SET ended_at = ended_at - interval '61 seconds'")
    await sweep()
    await sweep()
    results = await service.execute_scheduled_rotations()
    assert [(each.secret_name, each.success, each.version) for each in results] == [("payments-rotated", True, 2)]
    assert (await inside.parts.break_glass.store.totals()).unrotated == 1
    health = await service.get_secret_health()
    assert any("read by break-glass" in each for each in health.recommendations)
    await service.set_secret(SECRET, "c4n4ry-new")
    assert (await inside.parts.break_glass.store.totals()).unrotated == 0
    assert await service.execute_scheduled_rotations() == []


async def test_a_read_that_a_cut_off_node_tells_of_later_is_rotated_too(inside: Inside, database_url: str) -> None:
    """Its node shipped the record when what was read before had been noted, and rotated, already."""
    service = inside.service
    policy = RotationPolicy(interval_days=90, auto_rotate=True, handler="random")
    await service.set_secret("payments-rotated", VALUE, rotation_policy=policy)
    request = await granted(service, "payments-*")
    await service.get_secret("payments-rotated", context=ERIN)
    await service.rotate_secret("payments-rotated")
    await service.break_glass.withdraw(request.id, context=ERIN)
    await execute(database_url, "UPDATE break_glass_requests SET ended_at = ended_at - interval '61 seconds'")
    await inside.parts.break_glass.ends.sweep()
    assert await service.execute_scheduled_rotations() == [], "what was read is not the value any more"
    async with inside.database.connection() as connection:
        record = record_of(
            Caller("erin"), "get", SecretName("payments-rotated"), service.now(), rule=f"break-glass:{request.id}"
        )
        await put_record(connection, record)
    inside.parts.trail.take_in()

    async def rotated() -> bool:
        await inside.parts.break_glass.ends.sweep()
        return [each.version for each in await service.execute_scheduled_rotations()] == [3]

    await within(10.0, rotated)


async def test_metrics_count_requests_and_grants_and_name_nobody(inside: Inside) -> None:
    await asked(inside.service)
    await granted(inside.service)
    await gauging(inside.parts).look()
    text = inside.service.metrics()
    assert b'holdfast_break_glass{state="requested"} 1.0' in text
    assert b'holdfast_break_glass{state="granted"} 1.0' in text
    assert not re.findall(rb"\b(?:erin|payments|ann)\b", text)


async def test_nobody_learns_whether_a_request_or_secret_exists(inside: Inside) -> None:
    service = inside.service
    request = await asked(service, "no-such-secret")
    assert request.state is RequestState.REQUESTED
    with pytest.raises(RequestNotFound) as hidden:
        await service.break_glass.get(request.id, context=AccessContext(user_id="frank"))
    with pytest.raises(RequestNotFound) as missing:
        await service.break_glass.get(request.id + 1, context=AccessContext(user_id="frank"))
    assert str(hidden.value).replace(str(request.id), "N") == str(missing.value).replace(str(request.id + 1), "N")


def test_rules_of_this_kind_are_attested_with_their_number() -> None:
    plain = rule("erin", {Permission.GET}, SECRET, number=1)
    one, two = (replace(plain, kind=RuleKind.BREAK_GLASS, id=number) for number in (1, 2))
    assert one.facts() != two.facts()
    assert one.facts() != plain.facts()


class Looked:
    """A store that notes for how long back reads are looked for, and ends after an hour and a round."""

    def __init__(self, rounds: int) -> None:
        self.rounds, self.back = rounds, list[timedelta]()

    async def overdue(self) -> list[int]:
        self.rounds -= 1
        if self.rounds < 0:
            raise asyncio.CancelledError
        return []

    async def note_reads(self, after: timedelta, until: timedelta) -> list[SecretName]:
        self.back.append(until)
        return []

    async def voided(self, since: timedelta) -> list[EmergencyRequest]:
        return []


async def test_i14_records_are_looked_through_once_a_minute_and_far_back_once_an_hour() -> None:
    """An application has thousands of them a minute: every node would look through a day of them all the time."""
    store, clock = Looked(721), VirtualClock(auto=True)
    ends = EmergencyEnds(store=cast("Any", store), granting=cast("Any", None), clock=clock, announcer=cast("Any", None))
    with pytest.raises(asyncio.CancelledError):
        await ends.run()
    assert len(store.back) == 61
    assert [place for place, back in enumerate(store.back) if back == LOOK_BACK] == [0, 60]


async def test_who_holds_a_token_of_somebody_reads_with_it_what_they_get_in_an_emergency(inside: Inside) -> None:
    """What remains possible, as SECURITY.md says: the owner of the token sees it, and who made it."""
    service, maker = inside.service, AccessContext(user_id="maker")
    await service.grant_access("*", "maker", ["grant"])
    await service.identities.add("erin", "person")
    token = await service.tokens.create("erin", context=maker)
    await granted(service)
    proven = service.prove_token(token.token)
    assert (await service.get_secret(SECRET, context=AccessContext(user_id=proven.identity))).value == VALUE
    (seen,) = await service.tokens.list("erin", context=ERIN)
    assert (seen.id, seen.created_by) == (token.record.id, "maker")
