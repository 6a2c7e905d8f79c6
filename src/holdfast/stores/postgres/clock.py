"""PostgreSQL's clock, as far as it is believed: its administrators can set it to anything."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from holdfast.errors import IntegrityFailure, StartupError
from holdfast.ports import ClockAcceptance
from holdfast.resilience.clock import SystemClock

LEEWAY: Final = timedelta(seconds=30)
"""By how much clocks may differ: the leeway of tokens, ours and those of issuers."""

DRIFT: Final = 0.0001
"""Seconds in a second by which a clock may run away from another: twice what common quartz does (50 ppm)."""

ACCEPTED_FOR: Final = timedelta(hours=1)
"""How long after the time that was believed somebody's word for the clock counts: an old row put back says nothing."""

MEND: Final = (
    "Find out who set it, and set it right with NTP; if it is right as it is, say so with `holdfast clock accept`."
)

_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def elapsed_s() -> float:
    """Seconds that have passed, those that the machine slept among them where it can tell."""
    return time.clock_gettime(_CLOCK)


def machine_time() -> datetime:
    """The present moment by the clock of this machine."""
    return datetime.now(UTC)


class BelievedClock(SystemClock):
    """PostgreSQL's clock for what is compared with stored times; the machine's for durations.

    It is never believed to go back by more than the leeway, unless somebody accepted that, nor to jump ahead by more
    unless the machine's clock says the same. What has passed in between is measured, so that no step of the machine's
    clock makes the past come back.
    """

    def __init__(
        self, elapsed: Callable[[], float] = elapsed_s, machine: Callable[[], datetime] = machine_time
    ) -> None:
        self._elapsed, self._machine = elapsed, machine
        self._told: tuple[datetime, float] | None = None
        self._first: tuple[datetime, float] | None = None
        self._doubt: str | None = None
        self._number = 0
        self._accepted: ClockAcceptance | None = None

    @property
    def begun(self) -> bool:
        """Whether PostgreSQL has told a moment that was believed."""
        return self._first is not None

    @property
    def doubt(self) -> str | None:
        """Why what PostgreSQL tells is not believed; None: it is."""
        return self._doubt

    def now(self) -> datetime:
        """The present moment in UTC."""
        return self._at(self._told) if self._told is not None else self._machine()

    def hears_of(self, number: int) -> bool:
        """Whether an acceptance of this number is a new one."""
        return number > self._number

    def accept(self, acceptance: ClockAcceptance) -> None:
        """Somebody vouched for PostgreSQL's clock; that this is genuine was seen before."""
        self._number, self._accepted = acceptance.number, acceptance

    def told(self, moment: datetime, newest: datetime | None = None) -> None:
        """PostgreSQL says that it is this moment. ``newest``: the time of the newest audit record, for the beginning.

        Raises:
            IntegrityFailure: that is not believed; the time that was known goes on.
        """
        first = self._first
        self._doubt = self._doubt_at_first(moment, newest) if first is None else self._doubt_later(moment, first)
        if self._doubt is not None:
            raise IntegrityFailure(self._doubt)

    def check_start(self) -> None:
        """See that the moment that PostgreSQL told was believed.

        Raises:
            StartupError: it and the machine's clock are further apart than the leeway, or the newest record is ahead.
        """
        if self._doubt is not None:
            raise StartupError(self._doubt)

    def _doubt_at_first(self, moment: datetime, newest: datetime | None) -> str | None:
        """Nothing is known that tells which of two clocks is right: until somebody fixes it, the later one counts."""
        machine = self._machine()
        self._told = (moment, self._elapsed())
        if abs(moment - machine) > LEEWAY:
            self._told = (max(moment, machine), self._elapsed())
            return (
                f"The clocks of PostgreSQL ({moment:%Y-%m-%d %H:%M:%S} UTC) and of this machine "
                f"({machine:%Y-%m-%d %H:%M:%S} UTC) are more than {LEEWAY.seconds} s apart, and expiry goes by them. "
                "Set the wrong one right with NTP."
            )
        if newest is not None and newest - moment > LEEWAY and not self._is_accepted(moment, newest):
            return f"PostgreSQL's clock is behind the newest audit record, of {newest:%Y-%m-%d %H:%M:%S} UTC. {MEND}"
        self._first, self._accepted = self._told, None
        return None

    def _doubt_later(self, moment: datetime, first: tuple[datetime, float]) -> str | None:
        apart, agrees = moment - self._at(first), abs(moment - self._machine()) <= LEEWAY
        allowed = LEEWAY + timedelta(seconds=DRIFT * (self._elapsed() - first[1]))
        if abs(apart) <= allowed:
            self._told = (moment, self._elapsed())
        elif agrees and (apart > allowed or self._is_accepted(moment, self.now())):
            self._told = self._first = (moment, self._elapsed())
            self._accepted = None
        else:
            return self._same_doubt("went back" if apart < timedelta() else "jumped ahead", abs(apart))
        return None

    def _same_doubt(self, what: str, by: timedelta) -> str:
        """The text of a doubt, which stays the same for as long as it lasts: the log has it once."""
        if self._doubt is not None and what in self._doubt:
            return self._doubt
        return (
            f"PostgreSQL's clock {what} by {by.total_seconds():.0f} s and is not believed; expiry and records go by "
            f"the time that was known. {MEND}"
        )

    def _is_accepted(self, moment: datetime, believed: datetime) -> bool:
        """Whether somebody has vouched for going back from what was believed to this moment."""
        accepted = self._accepted
        return (
            accepted is not None and moment >= accepted.moment - LEEWAY and believed <= accepted.believed + ACCEPTED_FOR
        )

    def _at(self, told: tuple[datetime, float]) -> datetime:
        moment, at = told
        return moment + timedelta(seconds=self._elapsed() - at)
