"""The one door: whatever an operation forgets, its result does not leave without a record."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.audit import AuditRecord
from holdfast.domain.leases import Leases
from holdfast.domain.names import SecretName
from holdfast.domain.policy import SYSTEM, Caller, Permission
from holdfast.errors import AccessDenied, AuditUnavailable, BackendUnavailable, LeaseExpired, OutcomeUnknown
from holdfast.service.access.grants import GrantBook
from holdfast.service.access.guard import WHOLE_VAULT, Authorized, Guard
from tests.support.clock import VirtualClock
from tests.support.rules import SEALER, QuietFeed, QuietTrail, RulesInMemory

NAME = SecretName("payments-key")
NOBODY_YET = Caller("future")


class World:
    """A guard and what it puts on record; no transaction tells it anything but those of the test."""

    def __init__(self, trail: QuietTrail | None = None) -> None:
        self.trail, self.feed, clock = trail or QuietTrail(), QuietFeed(), VirtualClock()
        book = GrantBook(RulesInMemory(), SEALER, self.feed, clock, Leases(timedelta(seconds=30)))
        self.guard = Guard(book, self.trail, clock)

    def passing(self) -> AbstractAsyncContextManager[Authorized]:
        """An operation that is allowed."""
        return self.guard.operation(SYSTEM, Permission.SET, NAME, "future")

    @property
    def outcomes(self) -> list[tuple[str, str, bool, str | None]]:
        """(operation, name, success, error code) of all that is on record."""
        return [(each.operation, each.name, each.success, each.error_code) for each in self.trail.records]


WAYS: dict[str, Callable[[Guard], AbstractAsyncContextManager[Authorized]]] = {
    "operation": lambda guard: guard.operation(SYSTEM, Permission.SET, WHOLE_VAULT, "future"),
    "listing": lambda guard: guard.listing(NOBODY_YET, "future"),
    "own": lambda guard: guard.own(NOBODY_YET, "future"),
    "login": lambda guard: guard.login(NOBODY_YET),
}


@pytest.mark.parametrize("way", WAYS)
async def test_i1_an_operation_that_records_nothing_is_on_record_before_its_result_leaves(way: str) -> None:
    world = World()

    async def future() -> str:
        async with WAYS[way](world.guard):
            return "result"

    assert await future() == "result"
    assert world.outcomes == [("login" if way == "login" else "future", "*", True, None)]


@pytest.mark.parametrize("way", WAYS)
async def test_i1_where_nothing_can_be_recorded_no_result_leaves(way: str) -> None:
    class Broken(QuietTrail):
        async def append(self, record: AuditRecord) -> None:
            raise AuditUnavailable("no sink takes anything")

    async def future() -> str:
        async with WAYS[way](World(Broken()).guard):
            return "result"

    with pytest.raises(AuditUnavailable):
        await future()


async def test_i4_what_may_have_been_done_is_told_as_that_though_nothing_can_be_recorded() -> None:
    class Broken(QuietTrail):
        async def append(self, record: AuditRecord) -> None:
            raise AuditUnavailable("no sink takes anything")

    with pytest.raises(OutcomeUnknown, match="not confirmed"):
        async with World(Broken()).passing():
            raise OutcomeUnknown("the commit is not confirmed")


async def test_i4_what_a_transaction_has_stored_is_not_told_as_refused_whatever_fails_then() -> None:
    world = World()

    async def future() -> None:
        async with world.passing() as authorized:
            world.guard.kept([world.guard.success(authorized)])
            raise BackendUnavailable("PostgreSQL did not answer; try again")

    with pytest.raises(OutcomeUnknown, match="read before you repeat it"):
        await future()
    assert world.outcomes == [("future", NAME, False, "outcome_unknown")]


async def test_what_was_not_stored_is_told_as_it_is() -> None:
    world = World()

    async def future() -> None:
        async with world.passing() as authorized:
            world.guard.success(authorized)
            raise BackendUnavailable("PostgreSQL did not answer; try again")

    with pytest.raises(BackendUnavailable) as told:
        await future()
    assert not isinstance(told.value, OutcomeUnknown)
    assert world.outcomes == [("future", NAME, False, "backend_unavailable")]


async def test_i1_a_record_that_no_transaction_stores_withholds_the_result() -> None:
    world = World()

    async def future() -> str:
        async with world.passing() as authorized:
            world.guard.success(authorized)  # and forgotten
            return "result"

    with pytest.raises(OutcomeUnknown, match=r"'future' of 'payments-key'.*no transaction"):
        await future()
    assert world.outcomes == [("future", NAME, False, "outcome_unknown")]


async def test_what_a_transaction_has_stored_is_recorded_once() -> None:
    world = World()
    async with world.passing() as authorized:
        world.guard.kept([world.guard.success(authorized)])
    assert world.outcomes == []  # the transaction has it


async def test_a_record_that_was_rolled_back_counts_for_nothing_and_the_next_try_does() -> None:
    world = World()
    async with world.passing() as authorized:
        world.guard.success(authorized)  # of a try that had to be made again
        world.guard.kept([world.guard.success(authorized)])
    assert world.outcomes == []


async def test_an_equal_record_of_somebody_else_confirms_nothing() -> None:
    world = World()
    with pytest.raises(OutcomeUnknown):
        async with world.passing() as authorized:
            world.guard.kept([msgspec.structs.replace(world.guard.success(authorized))])


async def test_of_operations_within_each_other_each_has_its_own_record() -> None:
    world = World()

    async def inside() -> None:
        async with world.guard.operation(SYSTEM, Permission.ROTATE, NAME, "inner") as inner:
            world.guard.kept([world.guard.success(inner)])

    async def outside() -> None:
        async with world.passing() as outer:
            world.guard.success(outer)
            await inside()

    with pytest.raises(OutcomeUnknown):
        await outside()
    assert world.outcomes == [("future", NAME, False, "outcome_unknown")]


async def test_what_becomes_known_after_the_end_changes_nothing() -> None:
    world, promised = World(), []

    def refused_after_all(authorized: Authorized) -> None:
        promised.append(world.guard.success(authorized))
        raise AccessDenied("after all")

    with pytest.raises(AccessDenied):
        async with world.passing() as authorized:
            refused_after_all(authorized)
    world.guard.kept(promised)
    assert world.outcomes == [("future", NAME, False, "access_denied")]


async def test_a_record_made_on_the_way_is_the_only_one() -> None:
    world = World()
    async with world.passing() as authorized:
        await world.guard.record(authorized, version=3, source="memory")
    (record,) = world.trail.records
    assert (record.success, record.version, record.source) == (True, 3, "memory")


async def test_what_is_ones_own_is_recorded_under_the_name_it_is_about() -> None:
    world = World()
    async with world.guard.own(NOBODY_YET, "future", NAME) as authorized:
        assert authorized.name == WHOLE_VAULT  # no secret is within reach
    assert world.outcomes == [("future", NAME, True, None)]


async def test_looking_up_what_an_operation_is_about_leaves_the_record_to_that_operation() -> None:
    world = World()
    async with world.guard.finding(NOBODY_YET, "future"):
        pass
    assert world.outcomes == []
    world.feed.silence_s = 31
    with pytest.raises(LeaseExpired):
        async with world.guard.finding(NOBODY_YET, "future"):
            pass
    assert world.outcomes == [("future", "*", False, "lease_expired")]


ACTS = st.lists(st.sampled_from(["record", "promise", "keep", "fail"]), max_size=6)


@given(ACTS)
async def test_i1_whatever_an_operation_does_nothing_leaves_without_a_record(acts: list[str]) -> None:
    world, promised, stored = World(), list[AuditRecord](), list[AuditRecord]()

    async def act_out(authorized: Authorized, act: str) -> None:
        match act:
            case "record":
                await world.guard.record(authorized)
            case "promise":
                promised.append(world.guard.success(authorized))
            case "keep":
                stored.extend(promised)
                world.guard.kept(promised)
            case _:
                raise AccessDenied("it fails")

    async def future() -> str:
        async with world.passing() as authorized:
            for act in acts:
                await act_out(authorized, act)
            return "result"

    try:
        assert await future() == "result"
    except (AccessDenied, OutcomeUnknown):
        assert world.trail.records[-1].success is False
        assert "fail" in acts or (promised and not stored and "record" not in acts)
    else:
        assert stored or any(record.success for record in world.trail.records)
