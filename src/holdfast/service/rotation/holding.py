"""Holding a run: under a lease that is renewed as long as a step goes on, so that a death costs seconds."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final, TypeVar

from holdfast.domain.rotation import RotationRun
from holdfast.errors import BackendUnavailable
from holdfast.ports import Clock, RotationStore
from holdfast.resilience.events import Event, Log
from holdfast.resilience.tasks import stopped

_log: Final = Log(__name__)

T = TypeVar("T")

STEP_PATIENCE_S: Final = 60.0
"""How long one step at a target may take."""

LEASE: Final = timedelta(seconds=15)
"""For how long a run is held without a sign of life. A holder that is silent for longer has lost it to the next one."""

BEAT_S: Final = 3.0
"""Seconds between signs of life during a step."""


class Fenced(Exception):
    """Somebody else holds the run by now, or may: whoever learns this lets everything be."""


class Holding:
    """Keeps runs, and lets go of them: later, where PostgreSQL is away. ``beat_s``: between signs of life."""

    def __init__(self, store: RotationStore, clock: Clock, *, beat_s: float = BEAT_S) -> None:
        self._store, self._clock, self._beat_s = store, clock, beat_s
        self._kept: dict[int, tuple[RotationRun, str | None]] = {}

    async def hold(self, run: RotationRun, *, tried: bool = False) -> None:
        """Hold a run for the next seconds.

        Raises:
            Fenced: it is somebody else's.
        """
        if not await self._store.hold(run, LEASE, tried=tried):
            raise Fenced

    async def through(self, run: RotationRun, step: Callable[[], Awaitable[T]]) -> T:
        """Let a step run and hold the run meanwhile. The step is stopped once the run may be somebody else's.

        Raises:
            Fenced: it is.
            TimeoutError: the step took too long.
        """
        going, held_at = asyncio.ensure_future(step()), self._clock.monotonic()
        try:
            async with asyncio.timeout(STEP_PATIENCE_S):
                while not (await asyncio.wait((going,), timeout=self._beat_s))[0]:
                    held_at = await self._beat(run, held_at)
        except BaseException:
            await _ended(going)
            raise
        return await going

    async def _beat(self, run: RotationRun, held_at: float) -> float:
        try:
            await self.hold(run)
        except BackendUnavailable:
            if self._clock.monotonic() - held_at > LEASE.total_seconds() - self._beat_s:
                raise Fenced from None
            return held_at
        return self._clock.monotonic()

    async def release(self, run: RotationRun, error: str | None, retry_in: timedelta) -> None:
        """Let go of a run until a later attempt; as soon as PostgreSQL is back, if it is away."""
        try:
            await self._store.release(run, error, retry_in)
        except BackendUnavailable as away:
            _log(Event.ROTATION_RELEASED_LATER, name=run.name, reason=away)
            self._kept[run.fence] = run, error

    async def release_kept(self) -> None:
        """Let go of what could not be let go of before, for an attempt now: the target was not at fault.

        A run that cannot be let go of for reasons of its own is left to the end of its lease.

        Raises:
            BackendUnavailable: PostgreSQL is still away.
        """
        for fence, (run, error) in list(self._kept.items()):
            try:
                await self._store.release(run, error, timedelta())
            except BackendUnavailable:
                raise
            except Exception as error:
                _log(Event.ROTATION_NOT_RELEASED, name=run.name, trace=error)
            self._kept.pop(fence, None)


async def _ended(step: "asyncio.Future[Any]") -> None:
    """Stop a step whose outcome is no one's any more."""
    try:
        await stopped(step)
    except Exception as error:
        _log(Event.ROTATION_STEP_ENDED, reason=type(error).__name__)
