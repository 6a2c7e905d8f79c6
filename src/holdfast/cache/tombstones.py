"""What a cache remembers of invalidations, so that an answer read before one is not kept after it."""

from collections import OrderedDict
from collections.abc import Callable
from typing import final

from holdfast.domain.names import SecretName


@final
class Tombstones:
    """The lowest revision that may still be cached, by name, for ``lifetime_s`` seconds after each invalidation.

    At most ``limit`` names are remembered. When more are invalidated within one lifetime, the oldest are forgotten
    and their highest revision bounds *every* name until it would have been forgotten anyway: revisions come from one
    counter, so this refuses too much for a while, and never too little. All methods are O(1), amortised.
    """

    __slots__ = ("_common", "_common_until", "_floors", "_lifetime_s", "_limit", "_monotonic")

    def __init__(self, limit: int, lifetime_s: float, monotonic: Callable[[], float]) -> None:
        self._limit = limit
        self._lifetime_s = lifetime_s
        self._monotonic = monotonic
        self._floors: OrderedDict[SecretName, tuple[int, float]] = OrderedDict()  # soonest forgotten first
        self._common = 0
        self._common_until = 0.0

    def add(self, name: SecretName, revision: int) -> None:
        """Remember that entries of ``name`` below ``revision`` are void."""
        now = self._monotonic()
        self._forget_expired(now)
        known, _ = self._floors.get(name, (0, 0.0))
        self._floors[name] = (max(known, revision), now + self._lifetime_s)
        self._floors.move_to_end(name)
        if len(self._floors) > self._limit:
            _, (floor, until) = self._floors.popitem(last=False)
            self._common, self._common_until = max(floor, self._common_floor(now)), max(until, self._common_until)

    def floor(self, name: SecretName) -> int:
        """Return the lowest revision of ``name`` that is not void; 0 when nothing is known."""
        if not self._floors:  # with none for any name there is no common one either
            return 0
        now = self._monotonic()
        floor, until = self._floors.get(name, (0, 0.0))
        return max(floor if now < until else 0, self._common_floor(now))

    def _common_floor(self, now: float) -> int:
        return self._common if now < self._common_until else 0

    def _forget_expired(self, now: float) -> None:
        while self._floors:
            name, (_, until) = next(iter(self._floors.items()))
            if now < until:
                return
            del self._floors[name]

    def __len__(self) -> int:
        return len(self._floors)
