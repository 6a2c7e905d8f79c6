"""Time that moves when a test says so."""

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta


class VirtualClock:
    """A ``holdfast.ports.Clock`` under the test's control.

    ``advance`` moves it, waking sleepers in order. With ``auto=True`` a sleep moves the clock itself and returns.
    """

    def __init__(self, *, auto: bool = False, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._auto = auto
        self._start = start
        self._elapsed = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        if self._auto:
            self._elapsed += max(0.0, seconds)
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._order), woken))
        await woken

    def step(self, seconds: float) -> None:
        """Set the clock of the day, as a person or NTP does; no time passes by that."""
        self._start += timedelta(seconds=seconds)

    def move(self, seconds: float) -> None:
        """Move time on without letting anybody run."""
        self._elapsed += seconds

    async def advance(self, seconds: float) -> None:
        """Move time on, letting each sleeper run at its own moment."""
        until = self._elapsed + seconds
        await _settle()
        while self._sleepers and self._sleepers[0][0] <= until:
            at, _, woken = heapq.heappop(self._sleepers)
            self._elapsed = max(self._elapsed, at)
            if not woken.done():
                woken.set_result(None)
            await _settle()
        self._elapsed = until


async def _settle() -> None:
    """Let every task that can run do so, as far as that takes a few turns of the loop."""
    for _ in range(10):
        await asyncio.sleep(0)
