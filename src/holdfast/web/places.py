"""Places for requests: how many are being answered at a time, in which order they begin, and what they hold.

A request beyond the places is refused at once, which costs next to nothing: waiting would only make everybody late.
Few requests begin in one turn of the event loop, so that what passes the queue by, such as a probe, gets its turn.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from holdfast.web.budgets import Budgets
from holdfast.web.holders import Guests, Holder

BEGIN_PER_TURN: Final = 8
"""Requests that begin in one turn: a millisecond or two of work."""


class Place:
    """What one request holds: one of the places, unless it has stepped aside, and the bytes of its body.

    ``full``: no more of its body is kept. ``buffered``: what its connection keeps is counted.
    """

    __slots__ = ("body_bytes", "buffered", "full", "holder", "taken")

    def __init__(self, holder: Holder) -> None:
        self.holder, self.taken, self.body_bytes = holder, False, 0
        self.full = self.buffered = False


class Places:
    """Gives places to requests, and no holder more than half of them."""

    def __init__(self, budgets: Budgets, guests: Guests) -> None:
        self._budgets, self._guests = budgets, guests
        self._each, self._each_bytes = max(1, budgets.requests // 2), budgets.body_bytes // 2
        self._waiting: deque[Callable[[], None]] = deque()
        self._begun = 0
        self.requests = self.body_bytes = 0

    def take(self, place: Place) -> bool:
        """Give a request a place; False: there is none for it, or its holder has answers to take first."""
        if self.requests >= self._budgets.requests or place.holder.requests >= self._each:
            return False
        if self.body_bytes > self._budgets.body_bytes or place.holder.body_bytes > self._each_bytes:
            return False
        place.taken = True
        self._count(place.holder, 1)
        return True

    def step_aside(self, place: Place) -> None:
        """Take the place of a request back, for as long as it waits for its client."""
        if place.taken:
            place.taken = False
            self._count(place.holder, -1)

    def store(self, place: Place, size: int) -> bool:
        """Note bytes of a body that have arrived; False: they are too many, and not counted."""
        if self.body_bytes + size > self._budgets.body_bytes or place.holder.body_bytes + size > self._each_bytes:
            return False
        self._count_bytes(place, size)
        return True

    def keep(self, place: Place, unsent: int) -> None:
        """Note the bytes of an answer that its client has to take. They are there, whatever the budget says."""
        self._count_bytes(place, unsent)

    def pass_on(self, place: Place, holder: Holder) -> bool:
        """Count what a request holds for another holder; False: that one has all it may have."""
        taken, size = place.taken, place.body_bytes
        self.free(place)
        place.holder = holder
        return (not taken or self.take(place)) and (not size or self.store(place, size))

    def free(self, place: Place) -> None:
        """Take back whatever a request holds."""
        self.step_aside(place)
        self._count_bytes(place, -place.body_bytes)

    def begin(self, work: Callable[[], None]) -> None:
        """Begin a request now, or after those that came before it."""
        if self._begun == 0:
            asyncio.get_running_loop().call_soon(self._next_turn)
        if self._begun < BEGIN_PER_TURN:
            self._begun += 1
            work()
        else:
            self._waiting.append(work)

    def _next_turn(self) -> None:
        self._begun = 0
        for _ in range(min(BEGIN_PER_TURN, len(self._waiting))):
            self.begin(self._waiting.popleft())

    def _count(self, holder: Holder, number: int) -> None:
        self.requests += number
        holder.requests += number
        self._guests.release(holder)

    def _count_bytes(self, place: Place, size: int) -> None:
        self.body_bytes += size
        place.body_bytes += size
        place.holder.body_bytes += size
        self._guests.release(place.holder)
