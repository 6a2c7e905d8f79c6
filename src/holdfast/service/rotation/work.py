"""Looks for due rotations, beside serving."""

from datetime import timedelta
from typing import Final

from holdfast.ports import Clock
from holdfast.resilience.events import Log
from holdfast.resilience.supervision import surviving
from holdfast.service.rotation.rotations import Rotations

_log: Final = Log(__name__)

RESUME_EVERY_S: Final = 2.0
"""Seconds between looks for rotations that were left in the middle, by a node that died possibly: while one is, all
consumers of a target with one password wait."""


class RotationWork:
    """``interval``: how often to look for what is due."""

    def __init__(self, rotations: Rotations, clock: Clock, interval: timedelta) -> None:
        self._rotations, self._clock = rotations, clock
        self._interval_s = interval.total_seconds()

    async def run(self) -> None:
        """Look until cancelled."""
        looked_at = float("-inf")
        while True:
            with surviving(_log, "Looking for due rotations"):  # one broken handler must not end the others for good
                if self._clock.monotonic() - looked_at >= self._interval_s:
                    looked_at = self._clock.monotonic()
                    await self._rotations.execute_due()
                else:
                    await self._rotations.resume_open()
            await self._clock.sleep(min(RESUME_EVERY_S, self._interval_s))
