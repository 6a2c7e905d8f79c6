"""How often one identity may ask: a token bucket each, so that nobody's haste is another's wait."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from holdfast.web.limits import RateLimited

MAX_IDENTITIES: Final = 10_000
"""Buckets; the one used longest ago is forgotten first, and is full when its owner comes back."""

_ROUNDING: Final = 1e-6
"""Seconds."""


class Rates:
    """Counts requests per identity on this node.

    A bucket is kept as the moment at which it is full again, as ``auth.limiter`` does with failures.

    Args:
        per_second: requests per second in the long run.
        burst: requests at once.
        monotonic: seconds.
    """

    def __init__(self, per_second: int, burst: int, monotonic: Callable[[], float]) -> None:
        self._interval, self._depth, self._burst = 1 / per_second, burst / per_second, burst
        self._monotonic = monotonic
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def take(self, identity: str, count: int = 1) -> None:
        """Count requests, or parts of one; what is more than a burst counts as one.

        Raises:
            RateLimited: there are not as many left, and none is counted; the error says when there will be.
        """
        now, cost = self._monotonic(), min(count, self._burst) * self._interval
        before = max(self._full_at.pop(identity, now), now)
        wait = before + cost - now - self._depth
        if wait > _ROUNDING:
            self._keep(identity, before)
            raise RateLimited(f"This identity asks too often; ask again in {wait:.3f} s.", retry_after_s=wait)
        self._keep(identity, before + cost)

    def _keep(self, identity: str, full_at: float) -> None:
        self._full_at[identity] = full_at
        if len(self._full_at) > MAX_IDENTITIES:
            self._full_at.popitem(last=False)
