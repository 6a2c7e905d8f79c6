"""PostgreSQL's clock, as far as it is believed: whoever administers the database can set it to anything."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from holdfast.errors import IntegrityFailure, StartupError
from holdfast.resilience.clock import SystemClock

LEEWAY: Final = timedelta(seconds=30)
"""By how much clocks may differ: the leeway of tokens, ours and those of issuers."""

DRIFT: Final = 0.0001
"""Seconds in a second by which a clock may run away from another: twice what common quartz does (50 ppm)."""

_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def elapsed_s() -> float:
    """Seconds that have passed, those that the machine slept among them where it can tell."""
    return time.clock_gettime(_CLOCK)


def machine_time() -> datetime:
    """The present moment by the clock of this machine."""
    return datetime.now(UTC)


class BelievedClock(SystemClock):
    """PostgreSQL's clock for what is compared with stored times; the machine's for durations.

    It is never believed to go back by more than the leeway, nor to jump ahead by more unless the machine's clock says
    the same. What has passed in between is measured, so that no step of the machine's clock makes the past come back.
    """

    def __init__(
        self, elapsed: Callable[[], float] = elapsed_s, machine: Callable[[], datetime] = machine_time
    ) -> None:
        self._elapsed, self._machine = elapsed, machine
        self._told: tuple[datetime, float] | None = None
        self._first: tuple[datetime, float] | None = None
        self._doubt: str | None = None

    def now(self) -> datetime:
        """The present moment in UTC."""
        return self._at(self._told) if self._told is not None else self._machine()

    def told(self, moment: datetime) -> None:
        """PostgreSQL says that it is this moment.

        Raises:
            IntegrityFailure: that is not believed; the time that was known goes on.
        """
        if self._first is None or self._told is None:
            self._begin(moment)
            return
        apart, agrees = moment - self._at(self._first), abs(moment - self._machine()) <= LEEWAY
        allowed = LEEWAY + timedelta(seconds=DRIFT * (self._elapsed() - self._first[1]))
        if abs(apart) <= allowed:
            self._told = (moment, self._elapsed())
        elif apart > allowed and agrees:
            self._told = self._first = (moment, self._elapsed())
        else:
            raise _doubt("went back" if apart < timedelta() else "jumped ahead", abs(apart))
        self._doubt = None

    def check_start(self) -> None:
        """See that the first moment that PostgreSQL told was believed.

        Raises:
            StartupError: it and the machine's clock are further apart than the leeway.
        """
        if self._doubt is not None:
            raise StartupError(self._doubt)

    def _begin(self, moment: datetime) -> None:
        """Nothing is known that tells which of two clocks is right: until somebody fixes it, the later one counts."""
        machine = self._machine()
        agrees = abs(moment - machine) <= LEEWAY
        self._told = self._first = (moment if agrees else max(moment, machine), self._elapsed())
        if not agrees:
            self._doubt = (
                f"The clocks of PostgreSQL ({moment:%Y-%m-%d %H:%M:%S} UTC) and of this machine "
                f"({machine:%Y-%m-%d %H:%M:%S} UTC) are more than {LEEWAY.seconds} s apart, and expiry goes by them. "
                "Set the wrong one right with NTP."
            )
            raise IntegrityFailure(self._doubt)

    def _at(self, told: tuple[datetime, float]) -> datetime:
        moment, at = told
        return moment + timedelta(seconds=self._elapsed() - at)


def _doubt(what: str, by: timedelta) -> IntegrityFailure:
    return IntegrityFailure(
        f"PostgreSQL's clock {what} by {by.total_seconds():.0f} s and is not believed; expiry and records go by the "
        "time that was known. Find out who set it, and set it right with NTP; where it is right, restart this node."
    )
