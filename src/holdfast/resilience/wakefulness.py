"""Whether this process stood still: it was stopped, or the machine slept. What it waited for then proves nothing."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

STOOD_STILL_S: Final = 3.0
"""Seconds between two looks that are told from a busy event loop."""

_LOOK_S: Final = 1.0


def _boottime() -> float:
    """Seconds that go on while the machine sleeps, which ``time.monotonic`` does not on Linux."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Wakefulness:
    """Looks at the clock once a second. ``on_waking`` is called when that was not possible for a while."""

    def __init__(self, on_waking: Callable[[], None] = lambda: None, now: Callable[[], float] = _boottime) -> None:
        self._on_waking, self._now = on_waking, now
        self._looked_at: float | None = None
        self._woke_at = float("-inf")

    async def run(self) -> None:
        """Look until cancelled; only then is anything noticed."""
        self._looked_at = self._now()
        try:
            while True:
                await asyncio.sleep(_LOOK_S)
                self.look()
        finally:
            self._looked_at = None

    def look(self) -> float:
        """Return the time now, on a clock of its own."""
        now = self._now()
        if self._looked_at is not None:
            if now - self._looked_at > STOOD_STILL_S:
                self._woke_at = now
                self._on_waking()
            self._looked_at = now
        return now

    def stood_still_since(self, moment: float) -> bool:
        """Whether the process stood still after a moment that ``look`` returned."""
        self.look()
        return self._woke_at > moment
