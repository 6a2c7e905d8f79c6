"""A circuit breaker without I/O: closed, open, half-open.

    closed     --[failures in a row reach the threshold]--> open
    open       --[its time has passed and a call asks]----> half-open, that call being the probe
    half-open  --[the probe succeeds]---------------------> closed
    half-open  --[the probe fails, is cancelled, hangs]---> open, for twice as long as before

Open for a second at first, so that a backend that was away for a moment is soon of use again, and for a minute in the
end. Each transition begins a new era. What a call begun in an earlier era reports is not heard: a late success does
not close the breaker, and neither does a late failure open one that has recovered since.
"""

import enum
from collections.abc import Callable
from typing import Final

from holdfast.errors import CircuitOpen

FAILURE_THRESHOLD: Final = 5
"""Failed attempts in a row; the specification's circuit breaker."""

FIRST_OPEN_S: Final = 1.0
"""Seconds without calls once open; each failed probe doubles them."""

OPEN_S: Final = 60.0
"""The longest that doubling leads to; the specification's circuit breaker."""

PROBE_TIMEOUT_S: Final = 10.0
"""Seconds after which a probe that reported nothing is a failed one."""


class BreakerState(enum.StrEnum):
    """As health reports it."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


Transition = Callable[[BreakerState, BreakerState], None]


class CircuitBreaker:
    """Refuses calls to a backend that keeps failing, and lets one probe at a time find out whether it is back.

    ``monotonic`` gives seconds; ``on_transition(old, new)`` is told of every change of state.
    """

    def __init__(
        self,
        backend: str,
        monotonic: Callable[[], float],
        *,
        failure_threshold: int = FAILURE_THRESHOLD,
        first_open_s: float = FIRST_OPEN_S,
        open_s: float = OPEN_S,
        probe_timeout_s: float = PROBE_TIMEOUT_S,
        on_transition: Transition | None = None,
    ) -> None:
        self._backend = backend
        self._monotonic = monotonic
        self._failure_threshold = failure_threshold
        self._first_open_s, self._longest_open_s = first_open_s, open_s
        self._open_s = first_open_s
        self._probe_timeout_s = probe_timeout_s
        self._on_transition = on_transition
        self._state = BreakerState.CLOSED
        self._era = 0
        self._failures = 0
        self._opened_at: float | None = None
        self._probe_began_at = 0.0

    @property
    def state(self) -> BreakerState:
        """The state now. An open breaker stays "open" until a call comes to probe."""
        self._expire_probe()
        return self._state

    @property
    def opened_at(self) -> float | None:
        """When it last opened, on the monotonic clock; None while closed."""
        self._expire_probe()
        return self._opened_at

    def admit(self, *, reluctant: bool = False) -> "Admission":
        """Let a call pass. A ``reluctant`` one, that would prove little, leaves the probe to others a little longer.

        Raises:
            CircuitOpen: the breaker is open, or its probe is under way.
        """
        self._expire_probe()
        if self._state is not BreakerState.CLOSED:
            reluctance_s = self._first_open_s if reluctant else 0.0
            if self._state is BreakerState.HALF_OPEN or self._remaining_s() + reluctance_s > 0:
                raise CircuitOpen(f"Circuit breaker is OPEN for {self._backend}: it failed repeatedly.", certain=True)
            self._probe_began_at = self._monotonic()
            self._move(BreakerState.HALF_OPEN)
        return self.watch()

    def watch(self) -> "Admission":
        """Hear of a call that passes whatever the state, since it was made to learn more about an earlier one."""
        return Admission(self, self._era)

    def _remaining_s(self) -> float:
        """Seconds until a probe may go."""
        return self._open_s - (self._monotonic() - (self._opened_at or 0.0))

    def hear(self, era: int, *, success: bool | None) -> None:
        """Hear how a call of an era ended; see ``Admission.report``."""
        self._expire_probe()
        if era != self._era:
            return
        if success:
            self._close()
        elif self._state is BreakerState.HALF_OPEN:
            self._open(self._monotonic())
        elif success is False:
            self._failures += 1
            if self._failures >= self._failure_threshold:
                self._open(self._monotonic())

    def _expire_probe(self) -> None:
        """A probe that hangs has failed when its time was up."""
        deadline = self._probe_began_at + self._probe_timeout_s
        if self._state is BreakerState.HALF_OPEN and self._monotonic() >= deadline:
            self._open(deadline)

    def _close(self) -> None:
        self._failures = 0
        self._opened_at = None
        if self._state is not BreakerState.CLOSED:
            self._move(BreakerState.CLOSED)

    def _open(self, at: float) -> None:
        again = self._state is BreakerState.HALF_OPEN
        self._open_s = min(2 * self._open_s, self._longest_open_s) if again else self._first_open_s
        self._failures = 0
        self._opened_at = at
        self._move(BreakerState.OPEN)

    def _move(self, new: BreakerState) -> None:
        old, self._state = self._state, new
        self._era += 1
        if self._on_transition:
            self._on_transition(old, new)


class Admission:
    """One call that a breaker let pass. How it ended may be reported later, when it is known what that means."""

    __slots__ = ("_breaker", "_era")

    def __init__(self, breaker: CircuitBreaker, era: int) -> None:
        self._breaker, self._era = breaker, era

    def report(self, *, success: bool | None) -> None:
        """Say whether the backend was well; None when the call proves neither."""
        self._breaker.hear(self._era, success=success)
