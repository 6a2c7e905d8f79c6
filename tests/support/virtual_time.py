"""An event loop whose time moves only when nothing else is left to do: seconds pass at once, in order."""

import asyncio
import heapq
from typing import Any


class Stuck(Exception):
    """Nothing is left to do, and nothing will ever be: what is waited for never comes."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Runs tasks as they become ready, and skips the waiting. For tasks that wait for time and each other alone."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual = 0.0

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._virtual

    def _run_once(self) -> None:
        inside: Any = self
        scheduled = inside._scheduled
        while scheduled and scheduled[0].cancelled():  # no one waits for these any more
            heapq.heappop(scheduled)._scheduled = False
            inside._timer_cancelled_count -= 1
        if not inside._ready:
            if not scheduled:
                raise Stuck
            self._virtual = max(self._virtual, scheduled[0].when())
        inside_run: Any = super()
        inside_run._run_once()
