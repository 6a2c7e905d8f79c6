"""What has to be done now and then: note that times are over, and have what was read rotated.

No grant depends on it. Whether one has ended is judged by the database's clock each time that it is asked.
"""

from datetime import timedelta
from itertools import count
from typing import Final

from holdfast.domain.audit import record_of
from holdfast.domain.break_glass import RequestState
from holdfast.domain.policy import SYSTEM_ID, AuthMethod, Caller
from holdfast.ports import BreakGlassStore, Clock
from holdfast.resilience.events import Event, Log
from holdfast.resilience.supervision import surviving
from holdfast.service.break_glass.announcing import EmergencyAnnouncer
from holdfast.service.break_glass.granting import Granting, summary

_log: Final = Log(__name__)

INTERVAL_S: Final = 5.0
"""Seconds between rounds."""

ROTATE_AFTER: Final = timedelta(minutes=1)
"""From the end of a grant until what was read under it is rotated: the last records of it are in the trail by then."""

LOOK_BACK: Final = timedelta(hours=25)
"""For how long records of an ended grant are still looked for: a node that was cut off ships its log later."""

RECENTLY: Final = timedelta(minutes=10)
"""For how long they are looked for every minute, and then every hour: who read may have records by the million."""

_PER_MINUTE: Final = 12
_PER_HOUR: Final = 720
"""Rounds."""

TOLD_WITHIN: Final = timedelta(hours=1)
"""Requests that a purge or a removal made void are told of as soon as a node looks, and no later than that."""

_SWEEP: Final = Caller(SYSTEM_ID, is_system=True, user_agent="break-glass", method=AuthMethod.SYSTEM)


class EmergencyEnds:
    """Every node may run it."""

    def __init__(
        self, *, store: BreakGlassStore, granting: Granting, clock: Clock, announcer: EmergencyAnnouncer
    ) -> None:
        self._store, self._granting, self._clock, self._announcer = store, granting, clock, announcer

    async def run(self) -> None:
        """Look until cancelled."""
        for number in count():
            with surviving(_log, "Looking after emergency access"):
                await self.sweep(_look_back(number))
            await self._clock.sleep(INTERVAL_S)

    async def sweep(self, look_back: timedelta | None = LOOK_BACK) -> None:
        """Look once; for what was read, at grants that ended within ``look_back``, or at none."""
        for request_id in await self._store.overdue():
            await self._end(request_id)
        if look_back is not None and (due := await self._store.note_reads(ROTATE_AFTER, look_back)):
            _log(Event.ROTATION_AFTER_EMERGENCY, count=len(due))
        for request in await self._store.voided(TOLD_WITHIN):
            await self._announcer.tell_of(request)

    async def _end(self, request_id: int) -> None:
        epoch = None
        async with self._store.transaction() as tx:
            stored = await tx.lock(request_id)
            now = await tx.now()
            if stored is None or stored.at(now).state is stored.state:
                return  # another node was quicker
            request = stored.at(now)
            await tx.settle(request)
            await self._announcer.tell(tx, request)
            if request.state is RequestState.ENDED:
                epoch = await tx.withdraw(request)
            operation = f"break_glass.{'end' if request.state is RequestState.ENDED else 'lapse'}"
            await tx.record(record_of(_SWEEP, operation, request.pattern, now, detail=summary(request)))
        await self._granting.told(request, epoch)


def _look_back(number: int) -> timedelta | None:
    """For which grants the round of a number looks for what was read by them; None: for none."""
    if number % _PER_HOUR == 0:
        return LOOK_BACK
    return RECENTLY if number % _PER_MINUTE == 0 else None
