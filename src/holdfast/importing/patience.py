"""How patient an import is with the store that it reads and the one that it writes."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from holdfast.errors import BackendRefused
from holdfast.resilience.clock import Timer
from holdfast.resilience.retry import RetryPolicy, retry

T = TypeVar("T")

_PATIENCE: Final = RetryPolicy(retries=5, base_s=0.5, deadline_s=120.0)
"""A rate limit or a short outage does not end an import."""


async def patiently(call: Callable[[], Awaitable[T]], clock: Timer) -> T:
    """Await ``call()`` until it answers, and return that.

    Raises:
        BackendRefused: at once; our credential does not get better by waiting.
        HoldfastError: the last error, after some attempts or two minutes.
    """

    async def attempt(_remaining_s: float) -> T | BackendRefused:
        try:
            return await call()
        except BackendRefused as error:
            return error

    answer = await retry(attempt, policy=_PATIENCE, clock=clock)
    if isinstance(answer, BackendRefused):
        raise answer
    return answer
