"""A limit on guessing that only slows down the one who guesses."""

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MAX_FAILURES: Final = 20
"""Wrong credentials per source before it has to wait."""

REFILL_S: Final = 3.0
"""Seconds until one more guess is allowed."""

MAX_SOURCES: Final = 10_000


class FailureLimiter:
    """Counts failures per source and leaves every other source alone. Success is free and never refused.

    The table is bounded: the source that failed longest ago is forgotten first.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def retry_after_s(self, source: str) -> int:
        """Whole seconds that ``source`` must wait before it may try again; 0: not at all."""
        full_at = self._full_at.get(source, 0.0)
        return max(0, math.ceil(full_at - self._monotonic() - (MAX_FAILURES - 1) * REFILL_S))

    def failed(self, source: str) -> None:
        """Note a wrong credential from ``source``."""
        now = self._monotonic()
        self._full_at[source] = max(self._full_at.pop(source, now), now) + REFILL_S
        while len(self._full_at) > MAX_SOURCES:
            self._full_at.popitem(last=False)
