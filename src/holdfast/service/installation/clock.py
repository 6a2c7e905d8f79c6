"""PostgreSQL's clock, when it went back and a person says that it is right all the same."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from holdfast.domain.policy import Permission
from holdfast.errors import Conflict
from holdfast.ports import Clock, DatabaseClock
from holdfast.service.access.guard import WHOLE_VAULT, Guard
from holdfast.service.callers import Context, authenticated

APART: Final = timedelta(seconds=30)
"""By how much the clocks of PostgreSQL and of the machine may differ: the leeway of tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedClock:
    """A clock that counts again. ``moment``: what it showed; ``believed``: what was the present until then."""

    moment: datetime
    believed: datetime


class ClockControl:
    """What ``service.clock`` offers. It takes the permission ``operate`` on '*'.

    Args:
        machine: the present moment by the clock of this machine.
    """

    def __init__(
        self,
        *,
        guard: Guard,
        store: DatabaseClock,
        clock: Clock,
        machine: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._guard, self._store, self._clock, self._machine = guard, store, clock, machine

    async def accept(self, *, context: Context = None) -> AcceptedClock:
        """Take PostgreSQL's clock for right as it is although it went back, on every node within a second.

        What expired by the time that was believed until then, and has not by this clock, counts again.

        Raises:
            Conflict: the clock of the answering node's machine says something else.
        """
        caller = authenticated(context)
        async with self._guard.operation(caller, Permission.OPERATE, WHOLE_VAULT, "clock.accept") as authorized:
            moment, newest = await self._store.look()
            self._check(moment)
            believed = max(self._clock.now(), newest)
            detail = f"moment={moment.isoformat()} believed={believed.isoformat()}"
            record = self._guard.success(authorized, detail=detail)
            await self._store.accept(moment, believed, caller.id, record)
        return AcceptedClock(moment=moment, believed=believed)

    def _check(self, moment: datetime) -> None:
        machine = self._machine()
        if abs(moment - machine) > APART:
            raise Conflict(
                f"PostgreSQL's clock shows {moment:%Y-%m-%d %H:%M:%S} UTC, and that of this machine "
                f"{machine:%Y-%m-%d %H:%M:%S} UTC: set the wrong one right with NTP first."
            )
