"""I2, I3, I4 and I5 of one secret: a register with versions, which ends with a purge and may begin again.

Every set has a value of its own, so a value tells which set it is from. Where a purge may lie between two operations,
nothing is concluded from their versions: they may be from two lives.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise

from tests.proof.history.events import (
    EDITED,
    NEVER,
    READS,
    ROTATED,
    Bounds,
    Event,
    Op,
    Outcome,
    Surface,
    Violation,
    contradicted,
)

_ENDS = frozenset({Op.DELETE, Op.PURGE})
_BEGINS = frozenset({Op.SET, Op.RECOVER})
_MAKES = frozenset({Op.SET, Op.EDIT, Op.ROLLBACK, Op.ROTATE})


class Register:
    """The operations on one secret, by their beginning, with what they tell of each other."""

    def __init__(self, name: str, events: Sequence[Event], bounds: Bounds) -> None:
        self.name = name
        self.events, self.bounds = events, bounds
        self.sets = [event for event in events if event.op in {Op.SET, Op.EDIT}]
        self.made = [event for event in events if event.op in _MAKES]
        self.copies = sum(event.possible for event in events if event.op is Op.ROLLBACK)
        self.reads = [event for event in events if event.op in READS and event.ok]
        self.gets = [event for event in self.reads if event.op is Op.GET]
        self.missed = [event for event in events if event.op is Op.GET and event.status == 404]

    @cached_property
    def writers(self) -> dict[str, list[Event]]:
        """The sets of each value; more than one where a client asked again with the same idempotency key."""
        found: defaultdict[str, list[Event]] = defaultdict(list)
        for event in self.sets:
            found[event.value].append(event)
        return found

    @cached_property
    def versions(self) -> dict[str, dict[int, Event]]:
        """Under which versions each value was seen, and who saw it first."""
        found: defaultdict[str, dict[int, Event]] = defaultdict(dict)
        for event in (*self.sets, *self.reads):
            if event.ok and event.version and event.value:
                found[event.value].setdefault(event.version, event)
        return found

    def version(self, event: Event) -> int:
        """The version that a change made or a read met; 0: no one was told, or a value may have several."""
        if self.copies:
            return event.version
        return event.version or next(iter(self.versions.get(event.value, ())), 0)

    def begun(self, value: str) -> float:
        """When the value was first asked to be written."""
        return min((each.began for each in self.writers.get(value, ())), default=0.0)

    def may(self, kinds: Iterable[Op], after: float, before: float) -> bool:
        """Whether any such operation may have taken effect in that time."""
        wanted = frozenset(kinds)
        return any(each.op in wanted and each.may_fall_between(after, before) for each in self.events)

    def same_life(self, one: str, other: str, until: float) -> bool:
        """Whether no purge can lie between the two values, or between them and that moment."""
        return not self.may({Op.PURGE}, min(self.begun(one), self.begun(other)), until)


def check_register(name: str, events: Sequence[Event], bounds: Bounds) -> Iterator[Violation]:
    """What the clients of one secret saw that they must not see."""
    register = Register(name, events, bounds)
    for check in (_sources, _once, _one_value_each, _copied, _fresh, _monotonic, _found, _gone, _purged):
        for promise, text, shown in check(register):
            yield Violation(promise=promise, text=f"{name}: {text}", events=tuple(each.id for each in shown))


Found = Iterator[tuple[str, str, tuple[Event, ...]]]


def _sources(register: Register) -> Found:
    if register.name in ROTATED:
        return
    for read in register.reads:
        writers = register.writers.get(read.value, [])
        if not writers:
            yield "I8", f"{read.value!r} was read, and no one wrote it", (read,)
        elif all(each.outcome is Outcome.REFUSED for each in writers):
            yield "I4", f"{read.value!r} was read, and its write was refused", (*writers, read)
        elif min(each.began for each in writers) > read.until:
            yield "I8", f"{read.value!r} was read before it was written", (*writers, read)


def _once(register: Register) -> Found:
    if register.name in EDITED:  # what was overtaken is written again
        return
    for value, seen in register.versions.items():
        if len(seen) > 1 + register.copies:
            yield "I4", f"{value!r} was written once, and is versions {sorted(seen)}", tuple(seen.values())


def _one_value_each(register: Register) -> Found:
    at: defaultdict[int, list[Event]] = defaultdict(list)
    for seen in register.versions.values():
        for version, event in seen.items():
            at[version].append(event)
    for version, events in at.items():
        for one, other in pairwise(sorted(events, key=lambda each: each.began)):
            if register.same_life(one.value, other.value, max(one.until, other.until)):
                yield "I3", f"version {version} is {one.value!r} and {other.value!r}", (one, other)


def _copied(register: Register) -> Found:
    """A version made from an earlier one has its value."""
    values = {event.version: event for event in register.reads if event.version}
    for copy in (event for event in register.events if event.op is Op.ROLLBACK and event.ok):
        one, other = values.get(copy.of), values.get(copy.version)
        if one and other and one.value != other.value and not register.may({Op.PURGE}, 0.0, NEVER):
            yield "I3", f"version {copy.version} was made from {copy.of}, and has another value", (copy, one, other)


def _tells(read: Event) -> bool:
    """Whether the answer claims to be current: Key Vault's API has no word for stale."""
    return read.surface is Surface.OWN and not read.stale


def _fresh(register: Register) -> Found:
    for read in filter(_tells, register.gets):
        for made in register.made:
            if not (made.ok and made.known_to(read, register.bounds.coherent)):
                continue
            newer = register.version(made) > register.version(read) > 0
            if newer and register.same_life(made.value, read.value, read.until):
                versions = f"version {register.version(read)} after {register.version(made)} was acknowledged"
                yield "I3", f"{versions}, at node {read.node}, not called stale", (made, read)
                break


def _monotonic(register: Register) -> Found:
    streams: defaultdict[tuple[str, int], list[Event]] = defaultdict(list)
    for read in register.gets:
        if register.version(read):
            streams[read.client, read.node].append(read)
    for stream in streams.values():
        for one, other in pairwise(stream):
            back = register.version(other) < register.version(one) and _tells(other)
            if back and register.same_life(one.value, other.value, other.until):
                versions = f"version {register.version(other)} after {register.version(one)}"
                yield "I3", f"one client read {versions} from node {one.node}, not called stale", (one, other)


def _found(register: Register) -> Found:
    for missed in register.missed:
        event = contradicted(missed, register.events, _BEGINS, _ENDS, register.bounds.coherent)
        if event is not None:
            yield "I2", f"not found at node {missed.node} after an acknowledged {event.op}", (event, missed)


def _gone(register: Register) -> Found:
    for read in register.reads:
        event = contradicted(read, register.events, {Op.DELETE}, _BEGINS, register.bounds.cut_off)
        if event is not None:
            yield "I5", f"read from node {read.node} after its deletion was acknowledged", (event, read)


def _purged(register: Register) -> Found:
    for read in register.reads:
        written = max((each.until for each in register.writers.get(read.value, ()) if each.possible), default=0.0)
        later = [each for each in register.events if each.began > written]
        event = contradicted(read, later, {Op.PURGE}, (), register.bounds.cut_off)
        if event is not None:
            yield "I5", f"{read.value!r} was read from node {read.node} after it was purged", (event, read)
