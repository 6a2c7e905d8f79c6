"""Who holds how much of a server: its connections, its places for requests, its memory for bodies.

A holder is an address until an identity is proven on a connection, and that identity from then on: behind one ingress
all have one address.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol


class Guest(Protocol):
    """A connection, as seen by one who needs room."""

    def make_room(self) -> None:
        """Close at once."""
        ...


@dataclass(slots=True, eq=False)
class Holder:
    """One holder. ``spare``: its connections that may be closed to make room, the one longest without a use first."""

    key: str
    proven: bool
    guests: int = 0
    requests: int = 0
    body_bytes: int = 0
    spare: OrderedDict[Guest, None] = field(default_factory=OrderedDict)

    @property
    def idle(self) -> bool:
        """Whether it holds nothing any more."""
        return not (self.guests or self.requests or self.body_bytes)


class Guests:
    """The connections of a server, ``limit`` at a time.

    On a full house a newcomer is not refused: the one who holds most closes the connection that it used longest ago.
    Those on which no one has proven an identity go first; one on which a request is being answered never goes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._holders: dict[tuple[bool, str], Holder] = {}
        self.count = 0

    def arrive(self, guest: Guest, source: str) -> Holder | None:
        """Take a connection from an address; None: no room, since all others are at work."""
        if self.count >= self._limit and not self._make_room():
            return None
        holder = self.holder(source, proven=False)
        self._seat(guest, holder)
        return holder

    def prove(self, guest: Guest, holder: Holder, identity: str) -> Holder:
        """Note who is at the other end; returns the new holder."""
        proven = self.holder(identity, proven=True)
        if proven is not holder:
            self._seat(guest, proven)
            self.depart(guest, holder)
            self.busy(guest, proven)
        return proven

    def busy(self, guest: Guest, holder: Holder) -> None:
        """A request is being answered. Before an identity is proven that keeps no connection open."""
        if holder.proven:
            holder.spare.pop(guest, None)
        else:
            self.spare(guest, holder)

    def spare(self, guest: Guest, holder: Holder) -> None:
        """Nothing is being answered any more, or its client is waited for."""
        holder.spare[guest] = None
        holder.spare.move_to_end(guest)

    def depart(self, guest: Guest, holder: Holder) -> None:
        """Forget a connection."""
        self.count -= 1
        holder.guests -= 1
        holder.spare.pop(guest, None)
        self.release(holder)

    def holders(self) -> list[Holder]:
        """Return everybody who holds anything."""
        return list(self._holders.values())

    def holder(self, key: str, *, proven: bool) -> Holder:
        """Return what somebody holds."""
        found = self._holders.get((proven, key))
        if found is None:
            found = self._holders[(proven, key)] = Holder(key, proven)
        return found

    def release(self, holder: Holder) -> None:
        """Forget a holder that holds nothing any more."""
        if holder.idle:
            self._holders.pop((holder.proven, holder.key), None)

    def _seat(self, guest: Guest, holder: Holder) -> None:
        self.count += 1
        holder.guests += 1
        holder.spare[guest] = None

    def _make_room(self) -> bool:
        for proven in (False, True):
            holder = _largest(each for each in self._holders.values() if each.spare and each.proven is proven)
            if holder is not None:
                guest = next(iter(holder.spare))
                guest.make_room()
                return True
        return False


def _largest(holders: Iterable[Holder]) -> Holder | None:
    return max(holders, key=lambda each: each.guests, default=None)
