"""I1, I15: by no chain of allowed operations does a person learn a value that they were never given `get` on.

Persons act as themselves and as applications whose tokens they made. Whatever they hand out, join, rotate and ask for
in an emergency, what each of them learns is compared with what each has ever been allowed to read as themselves.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from itertools import count
from typing import Any, ClassVar, Final, TypeVar

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from holdfast import RotationPolicy
from holdfast.domain.policy import AccessContext, Permission
from holdfast.domain.roles import Role
from holdfast.errors import HoldfastError, Unauthenticated
from holdfast.ports import Rotation, RotationHandler
from tests.break_glass.support import REASON
from tests.support.examples import drawn
from tests.support.node import Inside, rows

T = TypeVar("T")

ADMINISTRATOR: Final = "administrator"
PEOPLE = ("ann", "ben", "cat")
APPLICATIONS = ("app", "batch")
GROUPS = ("ops", "dev")
SUBJECTS = (*PEOPLE, *APPLICATIONS, *(f"group:{group}" for group in GROUPS))
NAMES = ("pay-a", "pay-b")
PATTERNS = (*NAMES, "pay-*")
GET, SET, GRANT, ROTATE = Permission.GET, Permission.SET, Permission.GRANT, Permission.ROTATE
TIMES: Final = count()
"""Each example has names of its own."""


class Telling(RotationHandler):
    """Hands what it is given to a person whom the policy names."""

    sends: ClassVar[Mapping[str, str]] = {"to": "both credentials"}

    def __init__(self, learned: dict[str, set[str]]) -> None:
        self.learned, self.made = learned, 0

    async def create(self, rotation: Rotation) -> str:
        self.made += 1
        return f"rotated {rotation.name} {self.made}"

    async def apply(self, rotation: Rotation) -> None:
        self.learned[rotation.options.get("to", "")] |= {rotation.candidate, rotation.current}

    async def test(self, rotation: Rotation) -> None:
        self.learned[rotation.options.get("to", "")].add(rotation.candidate)


class Office:
    """Three persons, two applications, two groups, two secrets, and an administrator who accepts nothing unseen.

    ann may hand out and nothing else, ben holds it all, cat may write and rotate what she cannot read. ``learned`` by
    persons, ``wrote`` by them; ``was_given``: the secrets that they could ever read as themselves; ``values`` that a
    secret ever had.
    """

    def __init__(self, inside: Inside, dsn: str) -> None:
        self.service, self.dsn, self.place = inside.service, dsn, f"-{next(TIMES)}"
        self.learned: defaultdict[str, set[str]] = defaultdict(set)
        self.wrote: defaultdict[str, set[str]] = defaultdict(set)
        self.was_given: defaultdict[str, set[str]] = defaultdict(set)
        self.values: defaultdict[str, set[str]] = defaultdict(set)
        self.tokens: dict[str, list[str]] = {person: [] for person in PEOPLE}
        self.written = 0

    def here(self, name: str) -> str:
        """What is called so, in this example."""
        head, star, _ = name.partition("*")
        return f"x{self.place}-{head}{star}" if name.startswith("pay") else name + self.place

    async def begin(self) -> None:
        self.service.register_rotation_handler(self.here("pay-*"), Telling(self.learned))
        for each in (*PEOPLE, *APPLICATIONS):
            await self.service.identities.add(self.here(each))
        for name in NAMES:
            await self.write(ADMINISTRATOR, 0, name)
        for approver in ("ann", "ben"):
            await self.service.access.assign_role(self.here(approver), "approver", "*")
        await self.service.grant_access("*", self.here("ann"), [GRANT])
        await self.service.grant_access("*", self.here("ben"), [GRANT, GET, SET, ROTATE])
        await self.service.grant_access(self.here("pay-*"), self.here("cat"), [SET, ROTATE])
        await self.look()

    async def look(self) -> None:
        """Everybody reads what they can, in every way they have."""
        for name in NAMES:
            current = (await self.service.get_secret(self.here(name))).value
            self.values[name].add(current)
            for person in PEOPLE:
                able = [each for each in self.able(person) if await self._may_get(each, name)]
                if self.here(person) in able:
                    self.was_given[person].add(name)
                if able:
                    self.learned[person].add(current)

    async def _may_get(self, identity: str, name: str) -> bool:
        own = AccessContext(user_id=identity)
        return (await self.service.access.explain(self.here(name), identity, "get", context=own)).allowed

    def able(self, who: str) -> list[str]:
        """Whom a person can ask as: themselves, and whom their tokens prove."""
        able = [self.here(who)]
        for token in self.tokens[who]:
            with suppress(Unauthenticated):
                able.append(self.service.prove_token(token).identity)
        return able

    def acting(self, who: str, number: int) -> AccessContext | None:
        """As whom somebody asks; the administrator is the application itself."""
        able = self.able(who) if who != ADMINISTRATOR else []
        return AccessContext(user_id=able[number % len(able)]) if able else None

    # --- what they do ---

    async def hand_out(self, who: str, number: int, pattern: str, subject: str, what: set[Permission] | Role) -> None:
        context, whom, where = self.acting(who, number), self.here(subject), self.here(pattern)
        if isinstance(what, Role):
            await self.service.access.assign_role(whom, what, where, context=context)
        else:
            await self.service.grant_access(where, whom, what, context=context)

    async def put_in_groups(self, who: str, identity: str, groups: set[str]) -> None:
        wanted = [self.here(group) for group in groups]
        await self.service.identities.set_groups(self.here(identity), wanted, context=self.acting(who, 0))

    async def withdraw(self, pattern: str, subject: str) -> None:
        await self.service.revoke_access(self.here(pattern), self.here(subject))

    async def make_a_token(self, who: str, identity: str, anew: bool) -> None:
        context, name = self.acting(who, 0), self.here(identity)
        if anew:
            await self.service.identities.remove(name, context=context)
            await self.service.identities.add(name, context=context)
        self.tokens[who].append((await self.service.tokens.create(name, context=context)).token)

    async def write(self, who: str, number: int, name: str) -> None:
        self.written += 1
        value = f"value {self.written}"
        await self.service.set_secret(self.here(name), value, context=self.acting(who, number))
        self.wrote[who].add(value)

    async def have_told(self, who: str, number: int, name: str, by_itself: bool) -> None:
        """Have rotations hand over the credentials."""
        policy = RotationPolicy(options={"to": who}, auto_rotate=by_itself, interval_days=30)
        context = self.acting(who, number)
        await self.service.update_secret(self.here(name), rotation_policy=policy, context=context)

    async def rotate(self, who: str, number: int, name: str) -> None:
        await self.service.rotate_secret(self.here(name), context=self.acting(who, number))

    async def rotations_are_due(self) -> None:
        due = "UPDATE secret_rotation_schedule SET next_rotation_at = now() - interval '1 s' WHERE secret_name LIKE"
        await rows(self.dsn, f"{due} '{self.here('pay-*').replace('*', '%')}'")
        await self.service.execute_scheduled_rotations()

    async def ask_in_an_emergency(self, who: str, pattern: str, approvers: set[str]) -> None:
        asking = AccessContext(user_id=self.here(who))
        made = await self.service.break_glass.request(self.here(pattern), reason=REASON, context=asking)
        for approver in sorted(approvers):
            await self.service.break_glass.approve(made.id, context=AccessContext(user_id=self.here(approver)))


Act = Callable[[Office], Awaitable[None]]


def _act(method: Callable[..., Awaitable[None]], *drawn: st.SearchStrategy[Any]) -> st.SearchStrategy[Act]:
    return st.tuples(*drawn).map(lambda given: lambda office: method(office, *given))


PERSON, ANYBODY = st.sampled_from(PEOPLE), st.sampled_from((ADMINISTRATOR, ADMINISTRATOR, *PEOPLE))
NUMBER, NAME, PATTERN = st.integers(0, 3), st.sampled_from(NAMES), st.sampled_from(PATTERNS)
SUBJECT, APPLICATION = st.sampled_from((*SUBJECTS, *SUBJECTS[3:], *SUBJECTS[3:])), st.sampled_from(APPLICATIONS)
WHAT = st.sampled_from([{GET}, {SET, ROTATE}, {SET}, {GET, SET, ROTATE}, {GET, GRANT}, Role.READER, Role.OPERATOR])
ACTS = st.one_of(
    *(_act(Office.hand_out, ANYBODY, NUMBER, PATTERN, SUBJECT, WHAT) for _ in range(4)),
    _act(Office.put_in_groups, ANYBODY, st.sampled_from((*PEOPLE, *APPLICATIONS)), st.sets(st.sampled_from(GROUPS))),
    _act(Office.withdraw, PATTERN, SUBJECT),
    _act(Office.make_a_token, PERSON, APPLICATION, st.booleans()),
    _act(Office.write, PERSON, NUMBER, NAME),
    _act(Office.have_told, PERSON, NUMBER, NAME, st.booleans()),
    _act(Office.rotate, ANYBODY, NUMBER, NAME),
    _act(Office.rotations_are_due),
    _act(Office.ask_in_an_emergency, PERSON, PATTERN, st.sets(PERSON)),
)


@settings(max_examples=drawn(20), deadline=None, suppress_health_check=list(HealthCheck))
@given(acts=st.lists(ACTS, min_size=15, max_size=30))
async def test_i1_no_chain_of_allowed_operations_teaches_anybody_a_value(
    inside: Inside, database_url: str, acts: list[Act]
) -> None:
    office = Office(inside, database_url)
    await office.begin()
    for act in acts:
        try:
            await act(office)
        except HoldfastError as error:
            event(type(error).__name__)
        await office.look()
        for person in PEOPLE:
            may = office.wrote[person].union(*(office.values[name] for name in office.was_given[person]))
            assert office.learned[person] <= may, (person, office.learned[person] - may)
