"""What the connections of one server share."""

import asyncio
from typing import Final

from holdfast.resilience.events import Event, Log
from holdfast.web.budgets import Budgets
from holdfast.web.draining import Drain
from holdfast.web.holders import Guests
from holdfast.web.limits import RateLimited
from holdfast.web.overload import Returns
from holdfast.web.places import Place, Places
from holdfast.web.protocol import ServerState
from holdfast.web.rates import Rates

_log: Final = Log(__name__)

TELL_EVERY_S: Final = 60.0
"""Seconds between two lines of the log about refused requests."""

PROBES: Final = frozenset({b"/healthz", b"/readyz", b"/metrics"})
PROBES_PER_S: Final = 20
PROBES_AT_ONCE: Final = 50
"""Of one address. Further ones stand in the queue like everything else."""


class SharedState(ServerState):
    """What the connections of one server share."""

    def __init__(self, drain: Drain, budgets: Budgets) -> None:
        super().__init__(drain)
        self.budgets = budgets
        self.guests = Guests(budgets.connections)
        self.places = Places(budgets, self.guests)
        self.returns = Returns(asyncio.get_running_loop().time)
        self._refused, self._tell_at = 0, 0.0
        self._probes = Rates(PROBES_PER_S, PROBES_AT_ONCE, asyncio.get_running_loop().time)

    def tell_refusal(self) -> None:
        """Let the operator know that requests are refused; not at every one."""
        self._refused += 1
        now = asyncio.get_running_loop().time()
        if now >= self._tell_at:
            _log(Event.REQUESTS_REFUSED, count=self._refused)
            self._tell_at, self._refused = now + TELL_EVERY_S, 0

    def is_probe(self, path: bytes, place: Place) -> bool:
        """Whether a request is one of the probes that take no place."""
        if path not in PROBES:
            return False
        try:
            self._probes.take(place.holder.key)
        except RateLimited:
            return False
        return True
