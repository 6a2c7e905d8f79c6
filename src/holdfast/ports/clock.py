"""Time."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Time. Durations are measured with ``monotonic`` only; ``now`` is for what people and databases compare."""

    def now(self) -> datetime:
        """The present moment in UTC, by the database's clock where one is known."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    async def sleep(self, seconds: float) -> None:
        """Wait; a virtual clock returns when its time has been moved on."""
