"""I5, case 22: whatever sequence of grants and assignments people make, nobody gains what the giver did not have."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from hypothesis import event, given, settings
from hypothesis import strategies as st

from holdfast.domain.names import matches
from holdfast.domain.policy import Caller, Permission
from holdfast.domain.roles import Role
from holdfast.errors import AccessDenied, InvalidInput
from holdfast.service.access.control import AccessControl
from holdfast.service.access.grants import GrantBook
from holdfast.service.access.guard import Guard
from holdfast.service.access.roles import RoleControl
from holdfast.service.access.rules import Rules
from tests.support.clock import VirtualClock
from tests.support.rules import BOOK_LEASES, SEALER, START, QuietFeed, QuietTrail, RulesInMemory

GROUPS = {"carol": frozenset({"devs"})}
PEOPLE = ("alice", "bob", "carol")
SUBJECTS = (*PEOPLE, "group:devs")
NAMES = ("a", "ab", "abc", "b", "bc")
PATTERNS = ("*", "a*", "ab*", "*c", "a", "abc", "b")
ENDS = (None, START + timedelta(hours=1), START + timedelta(hours=2), START + timedelta(hours=3))
MOMENTS = [START + timedelta(minutes=30 + 60 * hour) for hour in range(4)]

Access = frozenset[tuple[str, Permission, str, datetime]]
"""Who can do what to which name at which moment from now on."""


class Office:
    """Everything that hands out rules, on a store in memory. Time moves only forward."""

    def __init__(self) -> None:
        self.store, self.clock = RulesInMemory(), VirtualClock(start=START)
        self.book = GrantBook(
            self.store, SEALER, QuietFeed(), self.clock, BOOK_LEASES, lambda who: GROUPS.get(who, frozenset())
        )
        guard = Guard(self.book, QuietTrail(), self.clock)
        self.store.kept = guard.kept
        rules = Rules(
            guard=guard,
            book=self.book,
            store=self.store,
            sealer=SEALER,
            clock=self.clock,
            announce=self.book.committed,
        )
        self.roles = RoleControl(guard=guard, rules=rules, clock=self.clock)
        self.access = AccessControl(
            guard=guard,
            book=self.book,
            rules=rules,
            clock=self.clock,
        )

    def everybodys(self) -> Access:
        """Decided in the plainest way, from what is stored."""
        grants = [rule.grant() for rule in self.store.stored]
        return frozenset(
            (person, permission, name, moment)
            for person in PEOPLE
            for grant in grants
            if grant.user_id == person or grant.user_id.removeprefix("group:") in GROUPS.get(person, ())
            for permission in grant.permissions
            for name in NAMES
            if matches(grant.pattern, name)
            for moment in MOMENTS
            if moment >= self.clock.now() and (grant.expires_at is None or moment < grant.expires_at)
        )


Act = Callable[[Office, Caller], Awaitable[object]]


def _granting(pattern: str, subject: str, permissions: set[Permission], ends: datetime | None) -> Act:
    return lambda office, caller: office.access.grant(
        caller, pattern, subject, permissions, granted_by=None, expires_at=ends
    )


def _assigning(pattern: str, subject: str, role: Role, ends: datetime | None) -> Act:
    return lambda office, caller: office.roles.assign(caller, subject, role, pattern, granted_by=None, expires_at=ends)


def _revoking(pattern: str, subject: str) -> Act:
    return lambda office, caller: office.access.revoke(caller, pattern, subject)


SOME = st.sets(st.sampled_from([Permission.GET, Permission.SET, Permission.GRANT]), min_size=1)
PLACES = st.sampled_from(PATTERNS), st.sampled_from(SUBJECTS)
GIVING = st.builds(_granting, *PLACES, SOME, st.sampled_from(ENDS)) | st.builds(
    _assigning, *PLACES, st.sampled_from(Role), st.sampled_from(ENDS)
)
LEADING = st.builds(
    _assigning,
    st.sampled_from(["*", "a*"]),
    st.sampled_from(["alice", "group:devs"]),
    st.just(Role.ADMIN),
    st.sampled_from(ENDS),
)
ACTS = st.lists(
    st.tuples(st.sampled_from(PEOPLE), GIVING | st.builds(_revoking, *PLACES), st.sampled_from([0, 0, 0, 1800])),
    min_size=1,
    max_size=12,
)


@settings(max_examples=250, deadline=None)
@given(st.lists(LEADING | GIVING, min_size=1, max_size=4), ACTS)
async def test_i5_no_sequence_of_delegations_escalates(first: list[Act], acts: list[tuple[str, Act, int]]) -> None:
    office = Office()
    for act in first:
        await act(office, Caller("system", is_system=True))
    for person, act, seconds in acts:
        office.clock.move(seconds)
        before = office.everybodys()
        try:
            await act(office, Caller(person))
        except (AccessDenied, InvalidInput):  # the latter: an end that has passed
            event("refused")
            assert office.everybodys() == before
            continue
        event("done")
        gained = office.everybodys() - before
        assert all((person, permission, name, moment) in before for _, permission, name, moment in gained)
