"""Time as the resilience rules need it, and the real one."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Timer(Protocol):
    """The part of a clock that measures and waits. ``holdfast.ports.Clock`` is one."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's clock; the production form of ``holdfast.ports.Clock``."""

    def now(self) -> datetime:
        """The present moment in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
