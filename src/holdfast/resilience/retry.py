"""Retries: exponential backoff with full jitter under one deadline."""

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


async def retry(
    call: Callable[[float], Awaitable[T]],
    *,
    policy: RetryPolicy,
    clock: Timer,
    uniform: Callable[[float, float], float] = random.uniform,
) -> T:
    """Await ``call(remaining seconds)`` until it answers, and return that.

    Raises:
        HoldfastError: the last error, once it cannot be retried (not retryable, refused, or the breaker is open), the
            retries are used up, or the pause would pass the deadline.
    """
    deadline = clock.monotonic() + policy.deadline_s
    for attempt in range(policy.retries + 1):
        try:
            return await call(deadline - clock.monotonic())
        except HoldfastError as error:
            if not error.retryable or isinstance(error, CircuitOpen | NameRefused) or attempt == policy.retries:
                raise
            pause = policy.pause_s(attempt, error, uniform)
            if clock.monotonic() + pause >= deadline:
                raise
        await clock.sleep(pause)
    raise AssertionError("unreachable: the last attempt returns or raises")
