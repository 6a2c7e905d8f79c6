"""A breaker for a backend that only ever helps: after a fault it is left alone for a while, then tried once."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import final


@final
class CoolDown:
    """Lets calls pass while they work; after a fault, one call per ``pause``, until one works.

    A call whose end is never reported, because it was cancelled, counts as a fault.
    """

    __slots__ = ("_monotonic", "_pause_s", "_retry_at", "working")

    def __init__(self, pause: timedelta, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._pause_s = pause.total_seconds()
        self._monotonic = monotonic
        self._retry_at = 0.0
        self.working = True

    def admits(self) -> bool:
        """Whether a call may go ahead now; after a fault, saying yes starts the next pause."""
        if self.working:
            return True
        now = self._monotonic()
        if now < self._retry_at:
            return False
        self._retry_at = now + self._pause_s
        return True

    def worked(self) -> None:
        """Report that the backend answered."""
        self.working = True

    def end_pause(self) -> None:
        """Let the next call pass: there is reason to think that it would work."""
        self._retry_at = 0.0

    def failed(self) -> bool:
        """Report that the backend did not answer; True if it had been working until now."""
        first, self.working = self.working, False
        self._retry_at = self._monotonic() + self._pause_s
        return first
