"""PostgreSQL's clock, when it went back and a person says that it is right all the same."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from holdfast.contract.clock import AcceptedClock
from holdfast.contract.row import Nothing
from holdfast.errors import Conflict
from holdfast.ports import Clock, DatabaseClock
from holdfast.service.access.guard import Authorized, Guard

APART: Final = timedelta(seconds=30)
"""By how much the clocks of PostgreSQL and of the machine may differ: the leeway of tokens."""


class ClockCases:
    """What is done about PostgreSQL's clock on request.

    Args:
        machine: the present moment by the clock of this machine.
    """

    def __init__(
        self,
        *,
        guard: Guard,
        store: DatabaseClock,
        clock: Clock,
        machine: Callable[[], datetime],
    ) -> None:
        self._guard, self._store, self._clock, self._machine = guard, store, clock, machine

    async def accept(self, authorized: Authorized, _: Nothing) -> AcceptedClock:
        """Take PostgreSQL's clock for right as it is.

        Raises:
            Conflict: the clock of this machine says something else.
        """
        moment, newest = await self._store.look()
        self._check(moment)
        believed = max(self._clock.now(), newest)
        detail = f"moment={moment.isoformat()} believed={believed.isoformat()}"
        record = self._guard.success(authorized, detail=detail)
        await self._store.accept(moment, believed, authorized.caller.id, record)
        return AcceptedClock(moment=moment, believed=believed)

    def _check(self, moment: datetime) -> None:
        machine = self._machine()
        if abs(moment - machine) > APART:
            raise Conflict(
                f"PostgreSQL's clock shows {moment:%Y-%m-%d %H:%M:%S} UTC, and that of this machine "
                f"{machine:%Y-%m-%d %H:%M:%S} UTC: set the wrong one right with NTP first."
            )
