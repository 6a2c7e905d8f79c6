"""Two lines for each outage, however many requests and rounds meet it: one when it begins, one when it is over."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from holdfast.resilience.events import Event, Log

_log: Final = Log(__name__)

MAX_OUTAGES: Final = 1000
"""Of one owner at a time; past that the oldest is forgotten, and may be told of again."""

STALE_S: Final = 86_400.0
"""Seconds after which a failure that was not met again is taken for over: another node may have seen its end."""


@dataclass(slots=True)
class _Outage:
    since: float
    last: float
    parts: set[str] = field(default_factory=set)


class Outages:
    """What fails now. Any thread may tell, but for one thing only one at a time.

    Args:
        began: the event of the first failure; its facts are ``what`` and ``reason``.
        ended: the event of the first success after it; its facts are ``what`` and ``seconds``.
        monotonic: gives seconds.
    """

    def __init__(
        self,
        began: Event = Event.OUTAGE_BEGAN,
        ended: Event = Event.OUTAGE_ENDED,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._began, self._ended, self._monotonic = began, ended, monotonic
        self._outages: dict[str, _Outage] = {}

    def failed(self, what: str, reason: object, part: str = "") -> None:
        """Note a failure of a thing, or of a part of it: the outage begins with the first and ends with the last."""
        now, outage = self._monotonic(), self._outages.get(what)
        if outage is None or now - outage.last > STALE_S:
            outage = self._outages[what] = _Outage(now, now)
            if len(self._outages) > MAX_OUTAGES:
                del self._outages[next(iter(self._outages))]
            _log(self._began, what=what, reason=reason)
        outage.last = now
        if len(outage.parts) < MAX_OUTAGES:
            outage.parts.add(part)

    def works(self, what: str, part: str = "") -> None:
        """Note that a thing, or a part of it, works."""
        if outage := self._without(what, part):
            _log(self._ended, what=what, seconds=round(self._monotonic() - outage.since))

    def forget(self, what: str, part: str = "") -> None:
        """No one finds out any more whether it works: something else says how it ended."""
        self._without(what, part)

    def _without(self, what: str, part: str) -> _Outage | None:
        """The outage that has ended with this part of it, if so."""
        outage = self._outages.get(what)
        if outage is None:
            return None
        outage.parts.discard(part)
        return None if outage.parts else self._outages.pop(what)
