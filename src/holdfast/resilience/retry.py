"""Retries: exponential backoff with full jitter under one deadline, and few of them in all."""

import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from holdfast.errors import CircuitOpen, HoldfastError, NameRefused, Throttled
from holdfast.resilience.clock import Timer

T = TypeVar("T")


Pause = TypeVar("Pause", float, timedelta)


def doubled(first: Pause, times: int, longest: Pause) -> Pause:
    """Return a pause that has been doubled so many times, up to the longest."""
    return min(first * 2.0 ** min(times, 20), longest)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How patient to be. Seconds. Three retries within 30 s are the specification's.

    Before retry n (from 0) the pause is drawn from ``[0, min(max_backoff_s, base_s * 2**n)]``. A pause that the
    backend asks for is kept to, up to ``max_retry_after_s``.
    """

    retries: int = 3
    base_s: float = 0.2
    max_backoff_s: float = 5.0
    deadline_s: float = 30.0
    max_retry_after_s: float = 20.0

    def pause_s(self, retry: int, error: HoldfastError, uniform: Callable[[float, float], float]) -> float:
        """Seconds to wait before a retry after ``error``."""
        backoff = uniform(0.0, doubled(self.base_s, retry, self.max_backoff_s))
        asked = error.retry_after_s if isinstance(error, Throttled) else None
        return max(backoff, sane_pause_s(asked, self.max_retry_after_s) or 0.0)


def sane_pause_s(asked: float | None, cap: float) -> float | None:
    """Return a pause that a backend asked for within ``[0, cap]``; None for none, a negative one or no number."""
    if asked is None or math.isnan(asked) or asked < 0:
        return None
    return min(asked, cap)


class RetryBudget:
    """What all callers of a backend together may retry, so that retries do not keep down what is overloaded.

    Each first attempt earns a tenth of a retry, and so does each second, up to ``most``: one who asks rarely may retry
    as the policy says, while a crowd adds a tenth to its load.
    """

    def __init__(self, clock: Timer, *, share: float = 0.1, per_s: float = 0.1, most: float = 6.0) -> None:
        self._clock, self._share, self._per_s, self._most = clock, share, per_s, most
        self._left, self._at = most, clock.monotonic()

    def earn(self) -> None:
        """Hear of a first attempt."""
        self._left = min(self._most, self._left + self._share)

    def spend(self) -> bool:
        """Take a retry; False if none is left."""
        now = self._clock.monotonic()
        self._left, self._at = min(self._most, self._left + (now - self._at) * self._per_s), now
        if self._left < 1:
            return False
        self._left -= 1
        return True


async def retry(
    call: Callable[[float], Awaitable[T]],
    *,
    policy: RetryPolicy,
    clock: Timer,
    budget: RetryBudget | None = None,
    uniform: Callable[[float, float], float] = random.uniform,
) -> T:
    """Await ``call(remaining seconds)`` until it answers, and return that.

    Raises:
        HoldfastError: the last error, once it cannot be retried (not retryable, refused, or the breaker is open), the
            retries or the budget are used up, or the pause would pass the deadline.
    """
    if budget is not None:
        budget.earn()
    deadline = clock.monotonic() + policy.deadline_s
    for attempt in range(policy.retries + 1):
        try:
            return await call(deadline - clock.monotonic())
        except HoldfastError as error:
            if not error.retryable or isinstance(error, CircuitOpen | NameRefused) or attempt == policy.retries:
                raise
            pause = policy.pause_s(attempt, error, uniform)
            if clock.monotonic() + pause >= deadline or (budget is not None and not budget.spend()):
                raise
        await clock.sleep(pause)
    raise AssertionError("unreachable: the last attempt returns or raises")
