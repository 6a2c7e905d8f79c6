"""Whatever sequence of requests, votes, lost roles, purges and time: the right ones get in, and nothing else moves."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from holdfast.domain.break_glass import RequestState
from holdfast.domain.names import matches
from holdfast.domain.policy import AccessContext
from holdfast.errors import AccessDenied, Conflict, HoldfastError, RequestNotFound
from tests.break_glass.support import REASON, let_pass
from tests.support.examples import drawn
from tests.support.node import opened, rows

T = TypeVar("T")

PEOPLE = ("ann", "ben", "cat", "erin")
NAMES = ("pay-a", "pay-b")
PATTERNS = (*NAMES, "pay-*")
HOUR = 60
OPEN, LIVE = RequestState.REQUESTED, RequestState.APPROVED
FIXED = (
    "SELECT a::text FROM secret_access_control a ORDER BY id",
    "SELECT r::text FROM role_assignments r WHERE role <> 'approver' ORDER BY id",
)

Numbers = st.integers(0, 30)


@dataclass
class Wanted:
    """A request as it should be. ``age``: minutes since it was made, or since it was granted."""

    who: str
    pattern: str
    state: RequestState = OPEN
    votes: set[str] = field(default_factory=set)
    age: int = 0


class EmergencyModel(RuleBasedStateMachine):
    """Four people who may all be approvers, two secrets, and what must be true of them."""

    dsn: ClassVar[str]
    folder: ClassVar[Path]
    runner: ClassVar[asyncio.Runner]

    def __init__(self) -> None:
        super().__init__()
        self.wanted: dict[int, Wanted] = {}
        self.approvers = {"ann", "ben"}
        self.stack = AsyncExitStack()
        self.run(self._begin())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def _begin(self) -> None:
        await rows(self.dsn, "DELETE FROM break_glass_requests")
        await rows(self.dsn, "DELETE FROM role_assignments")
        self.inside = await self.stack.enter_async_context(opened(self.dsn, self.folder))
        self.service = self.inside.service
        for name in NAMES:
            await self.service.set_secret(name, "v")
        await self.service.grant_access("pay-*", "erin", ["set", "list"])
        await self.service.grant_access("other-*", "ann", ["get"])
        await self.service.access.assign_role("ben", "auditor", "*")
        for each in sorted(self.approvers):
            await self.service.access.assign_role(each, "approver", "*")
        self.fixed = await self._fixed()

    async def _fixed(self) -> list[Any]:
        async with self.inside.database.connection() as connection:
            return [list(map(tuple, await connection.fetch(each))) for each in FIXED]

    def attempt(self, work: Coroutine[Any, Any, Any]) -> type[HoldfastError] | None:
        async def outcome() -> type[HoldfastError] | None:
            try:
                await work
            except HoldfastError as error:
                return type(error)
            return None

        return self.run(outcome())

    def chosen(self, number: int) -> tuple[int, Wanted]:
        return sorted(self.wanted.items())[number % len(self.wanted)]

    def sees(self, who: str, wanted: Wanted) -> bool:
        return who in self.approvers or who in (wanted.who, "ben")

    # --- what people do

    @precondition(lambda self: len(self.wanted) < 9)
    @rule(who=st.sampled_from(PEOPLE), pattern=st.sampled_from(PATTERNS))
    def ask(self, who: str, pattern: str) -> None:
        context = AccessContext(user_id=who)
        made = self.run(self.service.break_glass.request(pattern, reason=REASON, context=context))
        self.wanted[made.id] = Wanted(who, pattern)

    @precondition(lambda self: self.wanted)
    @rule(number=Numbers, who=st.sampled_from(PEOPLE))
    def approve(self, number: int, who: str) -> None:
        request_id, wanted = self.chosen(number)
        outcome = self.attempt(self.service.break_glass.approve(request_id, context=AccessContext(user_id=who)))
        if not self.sees(who, wanted):
            assert outcome is RequestNotFound
        elif who not in self.approvers:
            assert outcome is AccessDenied
        elif wanted.state is not OPEN or who in wanted.votes:
            assert outcome is (Conflict if who != wanted.who or wanted.state is not OPEN else AccessDenied)
        elif who == wanted.who:
            assert outcome is AccessDenied
        else:
            assert outcome is None
            wanted.votes.add(who)
            if len(wanted.votes & self.approvers) >= 2:
                wanted.state, wanted.age = LIVE, 0

    @precondition(lambda self: self.wanted)
    @rule(number=Numbers, who=st.sampled_from(PEOPLE))
    def deny(self, number: int, who: str) -> None:
        request_id, wanted = self.chosen(number)
        outcome = self.attempt(self.service.break_glass.deny(request_id, context=AccessContext(user_id=who)))
        allowed = who in self.approvers and who != wanted.who and wanted.state is OPEN
        assert (outcome is None) == allowed
        if allowed:
            wanted.state = RequestState.DENIED

    @precondition(lambda self: self.wanted)
    @rule(number=Numbers, who=st.sampled_from(PEOPLE))
    def withdraw(self, number: int, who: str) -> None:
        request_id, wanted = self.chosen(number)
        outcome = self.attempt(self.service.break_glass.withdraw(request_id, context=AccessContext(user_id=who)))
        allowed = who == wanted.who and wanted.state in (OPEN, LIVE)
        assert (outcome is None) == allowed
        if allowed:
            wanted.state = RequestState.WITHDRAWN if wanted.state is OPEN else RequestState.ENDED

    @precondition(lambda self: self.wanted)
    @rule(number=Numbers, who=st.sampled_from(PEOPLE))
    def revoke(self, number: int, who: str) -> None:
        request_id, wanted = self.chosen(number)
        outcome = self.attempt(self.service.break_glass.revoke(request_id, context=AccessContext(user_id=who)))
        allowed = who in self.approvers and wanted.state is LIVE
        assert (outcome is None) == allowed
        if allowed:
            wanted.state = RequestState.REVOKED

    # --- what happens to them

    @rule(who=st.sampled_from(PEOPLE))
    def change_role(self, who: str) -> None:
        if who in self.approvers:
            self.run(self.service.access.unassign_role(who, "approver", "*"))
        else:
            self.run(self.service.access.assign_role(who, "approver", "*"))
        self.approvers ^= {who}

    @rule(name=st.sampled_from(NAMES))
    def purge_and_make_anew(self, name: str) -> None:
        for step in (self.service.delete_secret(name), self.service.purge_secret(name)):
            self.run(step)
        self.run(self.service.set_secret(name, "v"))
        for wanted in self.wanted.values():
            if wanted.pattern == name and wanted.state in (OPEN, LIVE):
                wanted.state = RequestState.VOID

    @precondition(lambda self: self.wanted)
    @rule(number=Numbers, minutes=st.sampled_from((29, 61)))
    def time_passes(self, number: int, minutes: int) -> None:
        request_id, wanted = self.chosen(number)
        self.run(let_pass(self.inside, request_id, timedelta(minutes=minutes)))
        wanted.age += minutes
        if wanted.age >= HOUR and wanted.state in (OPEN, LIVE):
            wanted.state = RequestState.EXPIRED if wanted.state is OPEN else RequestState.ENDED

    @rule()
    def sweep(self) -> None:
        self.run(self.inside.parts.break_glass.ends.sweep())

    @rule()
    def start_anew(self) -> None:
        self.run(self.inside.parts.coherence.resynchronise())

    # --- what must be true

    @invariant()
    def whoever_was_granted_access_has_it_and_nobody_else(self) -> None:
        for who in PEOPLE:
            for name in NAMES:
                live = {
                    f"break-glass:{number}"
                    for number, wanted in self.wanted.items()
                    if wanted.who == who and wanted.state is LIVE and matches(wanted.pattern, name)
                }
                asking = AccessContext(user_id=who)  # about oneself, which is not recorded: one answer from memory
                found = self.run(self.service.access.explain(name, who, "get", context=asking))
                assert (found.rule in live) if live else (found.rule is None), (who, name, found)

    @invariant()
    def every_request_is_kept_in_its_state(self) -> None:
        found = self.run(self.service.break_glass.list())
        assert {each.id: each.state for each in found} == {
            number: wanted.state for number, wanted in self.wanted.items()
        }

    @invariant()
    def i15_no_other_rule_has_changed(self) -> None:
        assert self.run(self._fixed()) == self.fixed

    def teardown(self) -> None:
        self.run(self.stack.aclose())


def test_i15_whatever_people_do_only_the_right_ones_get_in(database_url: str, tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        EmergencyModel.dsn, EmergencyModel.folder, EmergencyModel.runner = database_url, tmp_path, runner
        run_state_machine_as_test(
            EmergencyModel,
            settings=settings(
                max_examples=drawn(10), stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )
