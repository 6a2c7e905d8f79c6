"""Background work that goes on for as long as the node runs, whatever it meets."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from holdfast.errors import BackendUnavailable, Conflict, HoldfastError, shown
from holdfast.resilience.events import Event, Log
from holdfast.resilience.outages import Outages
from holdfast.resilience.retry import doubled

_log: Final = Log(__name__)

Work = Callable[[], Awaitable[None]]
"""Begins a loop that ends by cancellation alone."""

FIRST_PAUSE_S: Final = 1.0
MAX_PAUSE_S: Final = 60.0
"""Seconds before a loop that died is begun again: doubled with each death, up to this."""

STEADY_S: Final = 60.0
"""Seconds after which a loop that was begun again is taken to be well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingWork:
    """Background work of this node that fails.

    ``work``: its name, with the step in brackets where one of several fails. ``since``: of the first failure in a row.
    ``reason``: what a known error says; of any other the kind alone, for its text may quote anything.
    """

    work: str
    since: datetime
    failures: int
    reason: str


class Supervisor:
    """Keeps loops going, and knows which of them fail.

    Args:
        now: the present moment in UTC.
        sleep: how to wait some seconds.
        steady_s: seconds after which a loop that was begun again is taken to be well.
    """

    def __init__(
        self,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        steady_s: float = STEADY_S,
    ) -> None:
        self._now, self._sleep, self._steady_s = now, sleep, steady_s
        self._loops: dict[str, _Loop] = {}

    def failing(self) -> Sequence[FailingWork]:
        """The work that fails now, in order of name."""
        found = [fault for loop in self._loops.values() for fault in loop.faults.values()]
        return sorted(found, key=lambda fault: fault.work)

    async def run(self, name: str, work: Work) -> None:
        """Do ``work`` until cancelled; when it dies, or ends by itself, it is begun again after a pause."""
        loop = self._loops[name] = _Loop(name, self._now)
        _current.set(loop)
        while await self._dies(loop, work):
            deaths = loop.faults[""].failures
            await self._sleep(doubled(FIRST_PAUSE_S, deaths - 1, MAX_PAUSE_S))

    async def _dies(self, loop: "_Loop", work: Work) -> bool:
        """Do ``work``, and note what it died of; False if it failed at tidying up after its cancellation."""
        steady = asyncio.get_running_loop().call_later(self._steady_s, loop.went)
        try:
            await work()
            loop.failed(_EndedByItself())
        except asyncio.CancelledError as error:
            if _is_cancelled():
                raise
            loop.failed(error)  # something that it awaited was cancelled, and not this task
        except Exception as error:
            loop.failed(error)
            return not _is_cancelled()
        finally:
            steady.cancel()
        return True


class _EndedByItself(Exception):
    """A loop returned."""


class _Loop:
    """One loop, with what fails of it by step: "" for all of it."""

    def __init__(self, name: str, now: Callable[[], datetime]) -> None:
        self._name, self._now = name, now
        self.faults: dict[str, FailingWork] = {}
        self.refused = Outages(Event.WORK_REFUSED, Event.WORK_TAKEN_UP)

    def failed(self, error: BaseException, step: str = "") -> None:
        """Note a failure; the log hears of the first in a row, and of each unforeseen one of another kind."""
        reason, before = _reason(error), self.faults.get(step)
        foreseen = isinstance(error, HoldfastError)
        if before is not None and (foreseen or before.reason == reason):
            self.faults[step] = replace(before, failures=before.failures + 1)
            return
        work = f"{self._name} ({step})" if step else self._name
        since, failures = (before.since, before.failures) if before else (self._now(), 0)
        self.faults[step] = FailingWork(work=work, since=since, failures=failures + 1, reason=reason)
        _log(Event.WORK_FAILED, what=work, reason=reason, trace=None if foreseen else error)

    def went(self, step: str = "") -> None:
        """Note that it goes."""
        before = self.faults.pop(step, None)
        if before is not None:
            _log(Event.WORK_GOES_ON, what=before.work, failures=before.failures)


_current: Final[ContextVar[_Loop | None]] = ContextVar("loop", default=None)


def note_failure(step: str, error: BaseException) -> None:
    """Let it be known that a step of the loop that this task works for failed, and is going to be tried again."""
    (_current.get() or _Loop("work", lambda: datetime.now(UTC))).failed(error, step)


def note_success(step: str) -> None:
    """Let it be known that a step of this loop went through."""
    loop = _current.get()
    if loop is not None:
        loop.went(step)


@contextmanager
def surviving(log: Log, what: str) -> Iterator[None]:
    """One round of ``what`` is done again and again: a round that fails is not the last.

    It waits for a backend that is away, whose outage is told of elsewhere, and for what is in another state for now.
    Any other error of ours is told of once, until a round goes through; what is not ours is a fault of the loop too.
    """
    refused = (_current.get() or _Loop("work", lambda: datetime.now(UTC))).refused
    try:
        yield
    except (BackendUnavailable, Conflict) as error:
        log(Event.WORK_WAITS, what=what, reason=error)
    except HoldfastError as error:
        refused.failed(what, error)
    except Exception as error:
        note_failure(what, error)
    else:
        refused.works(what)
        note_success(what)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _reason(error: BaseException) -> str:
    if isinstance(error, _EndedByItself):
        return "it ended by itself"
    return shown(error)
