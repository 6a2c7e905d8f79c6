"""I14: whatever comes and goes, no budget is exceeded, nothing stays counted, and no one works without a place."""

import asyncio

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from holdfast.web.budgets import Budgets
from holdfast.web.holders import Guests, Holder
from holdfast.web.places import BEGIN_PER_TURN, Place, Places

BUDGETS = Budgets(connections=6, requests=6, body_bytes=100)
HALF = 3
WHO = st.sampled_from(["a", "b", "c"])


class Visitor:
    """A connection, and the one request on it at most."""

    def __init__(self, guests: Guests) -> None:
        self._guests, self.holder, self.place = guests, Holder("", proven=False), Place(Holder("", proven=False))
        self.gone = False

    def make_room(self) -> None:
        assert not (self.holder.proven and self.place.taken), "a request was broken off"
        self._guests.depart(self, self.holder)
        self.gone = True


class Room(RuleBasedStateMachine):
    """A server's room, as the protocol uses it."""

    visitors = Bundle("visitors")

    def __init__(self) -> None:
        super().__init__()
        self.guests = Guests(BUDGETS.connections)
        self.places = Places(BUDGETS, self.guests)
        self.all: list[Visitor] = []

    @rule(target=visitors, source=WHO)
    def arrive(self, source: str) -> Visitor:
        visitor = Visitor(self.guests)
        busy = [each for each in self.here() if each.holder.proven and each.place.taken]
        holder = self.guests.arrive(visitor, source)
        assert (holder is None) == (len(busy) == BUDGETS.connections)
        if holder is None:
            visitor.gone = True
        else:
            visitor.holder, visitor.place = holder, Place(holder)
        self.all.append(visitor)
        return visitor

    @rule(visitor=visitors)
    def ask(self, visitor: Visitor) -> None:
        if visitor.gone or visitor.place.taken or visitor.place.body_bytes:
            return
        visitor.place = Place(visitor.holder)
        room = self.places.requests < BUDGETS.requests and visitor.holder.requests < HALF
        assert self.places.take(visitor.place) == room
        self.note(visitor)

    @rule(visitor=visitors, who=WHO)
    def prove(self, visitor: Visitor, who: str) -> None:
        if visitor.gone or not visitor.place.taken:
            return
        visitor.holder = self.guests.prove(visitor, visitor.holder, who)
        if visitor.place.holder is not visitor.holder and not self.places.pass_on(visitor.place, visitor.holder):
            self.places.free(visitor.place)
        self.note(visitor)

    @rule(visitor=visitors, size=st.integers(1, 60))
    def store(self, visitor: Visitor, size: int) -> None:
        if not visitor.gone and visitor.place.taken:
            self.places.store(visitor.place, size)

    @rule(visitor=visitors)
    def step_aside(self, visitor: Visitor) -> None:
        if not visitor.gone:
            self.places.step_aside(visitor.place)
            self.note(visitor)

    @rule(visitor=visitors)
    def answer(self, visitor: Visitor) -> None:
        self.places.free(visitor.place)
        if not visitor.gone:
            self.note(visitor)

    @rule(visitor=consumes(visitors))
    def leave(self, visitor: Visitor) -> None:
        if not visitor.gone:
            visitor.gone = True
            self.guests.depart(visitor, visitor.holder)

    @invariant()
    def budgets_hold(self) -> None:
        assert self.guests.count == len(self.here()) <= BUDGETS.connections
        assert self.places.requests == sum(each.place.taken for each in self.all) <= BUDGETS.requests
        assert self.places.body_bytes == sum(each.place.body_bytes for each in self.all) <= BUDGETS.body_bytes
        for holder in {each.holder for each in self.all} | {each.place.holder for each in self.all}:
            assert holder.requests <= HALF
            assert holder.body_bytes <= BUDGETS.body_bytes // 2

    def teardown(self) -> None:
        for visitor in self.all:
            self.places.free(visitor.place)
            if not visitor.gone:
                self.guests.depart(visitor, visitor.holder)
        assert self.guests.holders() == []

    def here(self) -> list[Visitor]:
        return [each for each in self.all if not each.gone]

    def note(self, visitor: Visitor) -> None:
        (self.guests.busy if visitor.place.taken else self.guests.spare)(visitor, visitor.holder)


TestRoom = Room.TestCase


async def test_i14_few_requests_begin_in_one_turn_and_all_in_order() -> None:
    places, begun = Places(BUDGETS, Guests(1)), list[int]()
    for number in range(3 * BEGIN_PER_TURN):
        places.begin(lambda number=number: begun.append(number))  # type: ignore[misc]
    assert begun == list(range(BEGIN_PER_TURN))
    await asyncio.sleep(0)
    places.begin(lambda: begun.append(-1))
    assert begun == list(range(2 * BEGIN_PER_TURN))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert begun == [*range(3 * BEGIN_PER_TURN), -1]
