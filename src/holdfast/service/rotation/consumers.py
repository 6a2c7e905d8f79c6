"""Who still uses the credential that a rotation replaced."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from holdfast.domain.policy import OPERATOR_PREFIX
from holdfast.domain.rotation import Consumer, Laggard, RotationRun
from holdfast.ports import Clock, Consumers

LOOK_AGAIN: Final = timedelta(seconds=30)
"""How soon a rotation that waits for its consumers looks again."""

MOST_LAGGARDS: Final = 1000
"""Named at most, over all rotations."""


class Adoption:
    """Decides when an old credential is no longer needed.

    Args:
        window: whoever fetched the secret within it counts as a consumer.
        grace: how long after the promotion caches may still give out the old version, so that nobody is asked before.
    """

    def __init__(self, consumers: Consumers, clock: Clock, *, window: timedelta, grace: timedelta) -> None:
        self._consumers, self._clock = consumers, clock
        self._window, self._grace = window, grace

    async def wait(self, run: RotationRun) -> timedelta | None:
        """Return for how long the old credential is still needed, as far as can be said; None: no longer."""
        now = self._clock.now()
        if run.retire_by is not None and now >= run.retire_by:
            return None
        quiet_at = (run.promoted_at or now) + self._grace
        if now < quiet_at:
            return quiet_at - now
        return LOOK_AGAIN if await self.laggards(run) else None

    async def laggards(self, run: RotationRun) -> Sequence[Consumer]:
        """Return the consumers that have not fetched the new version. Operators at the machine are none."""
        if run.version is None:
            return ()
        found = await self._consumers.of(run.name, self._window)
        return [each for each in found if each.version < run.version and not each.user_id.startswith(OPERATOR_PREFIX)]

    async def all_laggards(self) -> Sequence[Laggard]:
        """Return the consumers that any rotation waits for by now, at most ``MOST_LAGGARDS``."""
        return await self._consumers.late(self._window, self._grace, apart=OPERATOR_PREFIX, limit=MOST_LAGGARDS)
