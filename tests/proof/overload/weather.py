"""A vault in virtual time that answers, fails, hangs or throttles as its weather is; calls are noted with times."""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from holdfast.errors import BackendUnavailable, Throttled
from tests.support.memory_vault import MemoryVault

T = TypeVar("T")


class LoopClock:
    """A ``holdfast.ports.Clock`` that goes by the running loop, whose time may be virtual."""

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class WeatherVault(MemoryVault):
    """``failing``: which share of calls fails at once. ``hanging``: none ends. ``retry_after_s``: all are throttled.

    ``called_at``: when each call came; ``most``: how many were under way at a time.
    """

    failing_share = 0.0
    hanging = False
    retry_after_s: float | None = None

    def __init__(self, clock: LoopClock, seed: int) -> None:
        super().__init__(clock)
        self._time, self._dice = clock, random.Random(f"weather {seed}")
        self.called_at: list[float] = []
        self.under_way = self.most = 0

    def calls_in(self, begin: float, end: float) -> int:
        """How many calls came in that time."""
        return sum(begin <= at < end for at in self.called_at)

    async def _do(self, operation: str, work: Callable[[], T]) -> T:
        self.called_at.append(self._time.monotonic())
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(3600 if self.hanging else self._dice.uniform(0.01, 0.05))
            if self.retry_after_s is not None:
                self.calls["throttled"] += 1
                raise Throttled("429", retry_after_s=self.retry_after_s)
            if self._dice.random() < self.failing_share:
                raise BackendUnavailable("503", certain=True)
            return await super()._do(operation, work)
        finally:
            self.under_way -= 1
