"""An event loop whose time moves only when nothing else is left to do: seconds pass at once, in order."""

import asyncio
from typing import Any


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
        if not inside._ready and inside._scheduled:
            self._virtual = max(self._virtual, inside._scheduled[0].when())
        inside_run: Any = super()
        inside_run._run_once()
