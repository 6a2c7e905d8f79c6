"""A failing history cut down to the few operations that show it."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from tests.proof.history.checking import check
from tests.proof.history.events import Ending, Event, History, Violation

T = TypeVar("T")


def cut_down(history: History, violation: Violation) -> History:
    """The fewest operations with which the same checkers find this very violation, and nothing that was not found.

    The algorithm is Zeller and Hildebrandt's ddmin ("Simplifying and Isolating Failure-Inducing Input", 2002). The
    operations that the violation names are kept; the question is only what else must be there.
    """
    while_it_ran = msgspec.structs.replace(history, ending=Ending(records=history.ending.records))
    base = while_it_ran if violation in check(while_it_ran) else history
    known = set(check(base))
    named = [event for event in base.events if event.id in violation.events]

    def shows(kept: Sequence[Event]) -> bool:
        return violation in (found := set(check(_only(base, [*named, *kept])))) and found <= known

    return _only(base, [*named, *minimal([each for each in base.events if each not in named], shows)])


def _only(history: History, kept: Sequence[Event]) -> History:
    return history.only(sorted(kept, key=lambda event: event.began))


def minimal(items: Sequence[T], shows: Callable[[Sequence[T]], bool]) -> list[T]:
    """A part of the items that still shows it, of which no single item can be left out. All of them must show it."""
    left, parts = list(items), 1
    while left:
        size = -(-len(left) // parts)
        for start in range(0, len(left), size):
            without = left[:start] + left[start + size :]
            if shows(without):
                left, parts = without, max(parts - 1, 1)
                break
        else:
            if size == 1:
                break
            parts = min(parts * 2, len(left))
    return left
