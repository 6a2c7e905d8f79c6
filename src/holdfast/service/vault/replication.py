"""The way of accepted changes to Key Vault: at once where possible, by replay where not, in order, once in effect.

Per secret only the lowest open intent is under way, under a lease with a fence. The replay stops at the first sign
that a backend is away. What no retry can mend is parked, and raises the alarm; the intents of other secrets go on.
"""

import asyncio
import enum
import logging
import traceback
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from holdfast.domain.audit import printable
from holdfast.domain.intent import Intent
from holdfast.domain.names import SecretName
from holdfast.errors import BackendUnavailable, HoldfastError, Throttled, TransitionPending
from holdfast.ports import Clock, Journal, Tracing, rooted, traced
from holdfast.resilience.correlation import correlate
from holdfast.resilience.supervision import surviving
from holdfast.resilience.tasks import pause
from holdfast.service.crashpoints import Crashpoint, no_crash
from holdfast.service.vault.adoption import Adopter
from holdfast.service.vault.applying import Applier, Attempt, Settled

_log: Final = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=60)
_SENDING_S: Final = 10.0
"""What a lease must still have before a change is sent: more than one write may take."""

_OTHERS_S: Final = 1.0
"""How long a writer waits for whoever has its change in hand: the replay, here or on another node, may be quicker."""

_LOOK_S: Final = 0.02
_MAX_ERROR: Final = 500
_MAX_PAUSE_S: Final = 60.0


class Progress(enum.Enum):
    """How one step went."""

    NONE = "nothing to do"
    SETTLED = "settled"
    LATER = "something is still settling"
    PARKED = "parked"
    AWAY = "a backend is away"


class Replicator:
    """Implements ``service.secrets.writing.Pusher`` and runs the replay.

    Args:
        deadline_s: how long a push may keep a writer waiting.
        interval_s: how often the journal is looked at without being woken.
        pause: before an intent is tried again whose backend was away, or whose secret is still settling.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        applier: Applier,
        adopter: Adopter,
        clock: Clock,
        deadline_s: float = 5.0,
        interval_s: float = 1.0,
        concurrency: int = 8,
        pause: timedelta = timedelta(seconds=1),
        lease: timedelta = LEASE,
        crashpoint: Crashpoint = no_crash,
        tracing: Tracing | None = None,
    ) -> None:
        self._tracing = tracing
        self._journal, self._applier, self._adopter, self._clock = journal, applier, adopter, clock
        self._deadline_s, self._interval_s, self._concurrency = deadline_s, interval_s, concurrency
        self._pause, self._lease, self._crashpoint = pause, lease, crashpoint
        self._flights: dict[SecretName, asyncio.Task[Progress]] = {}
        self._woken = asyncio.Event()
        self._healthy = True

    async def push(self, name: SecretName, intent_id: UUID) -> bool:
        """Bring the open intents of a secret to Key Vault, in order, within the deadline.

        Returns whether this intent is settled. Never raises because a backend is away; a change that is under way
        when the deadline passes goes on without its writer.
        """
        with traced("replicate") as span:
            replicated = await self._push(name, intent_id)
            span.note(replicated=replicated)
        return replicated

    async def _push(self, name: SecretName, intent_id: UUID) -> bool:
        deadline = self._clock.monotonic() + self._deadline_s
        with suppress(BackendUnavailable):
            while (left_s := deadline - self._clock.monotonic()) > 0:
                flight = self._flights.get(name) or self._fly(name, self._push_next(name))
                done, _ = await asyncio.wait({flight}, timeout=left_s)
                if await self._journal.is_settled(intent_id):
                    return True
                if not done or not await self._goes_on(name, intent_id, flight.result(), deadline):
                    break
        self.wake()
        return False

    async def _goes_on(self, name: SecretName, intent_id: UUID, progress: Progress, deadline: float) -> bool:
        """Whether there is more to be had within the deadline after a step that did not settle the writer's intent."""
        if progress is Progress.NONE and self._clock.monotonic() + self._deadline_s < deadline + _OTHERS_S:
            held = await self._journal.is_held(name)
            await self._clock.sleep(_LOOK_S)
            return held or await self._journal.is_settled(intent_id)
        return progress is Progress.SETTLED

    def wake(self) -> None:
        """Let the replay look at the journal now."""
        self._woken.set()

    async def run(self) -> None:
        """Replay until cancelled."""
        while True:
            self._woken.clear()
            with surviving(_log, "The replay"):
                await self.drain()
            await pause(self._interval_s, self._woken)

    async def drain(self) -> int:
        """Replay what is due until nothing is left or a backend is away; returns how many intents were settled.

        Raises:
            BackendUnavailable: the journal itself is out of reach.
        """
        workers = self._concurrency if self._healthy else 1
        self._healthy = True
        settled = sum(await asyncio.gather(*(self._work() for _ in range(workers))))
        if self._healthy and workers < self._concurrency:
            settled += await self.drain()
        return settled

    async def aclose(self) -> None:
        """Wait for what is under way."""
        if self._flights:
            await asyncio.wait(set(self._flights.values()), timeout=self._deadline_s)

    # --- one intent ------------------------------------------------------------------------------------------------

    async def _work(self) -> int:
        settled = 0
        while self._healthy:
            claimed = await self._journal.claim(limit=1, lease=self._lease)
            if not claimed:
                break
            progress = await asyncio.shield(self._fly(claimed[0].name, self._replay(claimed[0])))
            settled += progress is Progress.SETTLED
            self._healthy = self._healthy and progress is not Progress.AWAY
        return settled

    async def _push_next(self, name: SecretName) -> Progress:
        claimed = await self._journal.claim(limit=1, lease=self._lease, name=name)
        return await self._advance(claimed[0], background=False) if claimed else Progress.NONE

    def _fly(self, name: SecretName, step: Coroutine[Any, Any, Progress]) -> asyncio.Task[Progress]:
        """Begin a step that nobody's impatience interrupts, so that no outcome is unknown without need."""
        flight = asyncio.create_task(step, name=f"replicate-{name}")
        self._flights[name] = flight

        def landed(_: asyncio.Task[Progress]) -> None:
            if self._flights.get(name) is flight:
                del self._flights[name]

        flight.add_done_callback(landed)
        return flight

    async def _replay(self, intent: Intent) -> Progress:
        an_id = f"replay:{intent.id}"
        correlate(an_id)  # of this flight's task, which is of this intent alone
        facts = {"intent": intent.kind.value, "attempt": intent.attempts}
        with rooted(self._tracing, "replay", request_id=an_id, **facts) as span:
            progress = await self._advance(intent, background=True)
            span.note(progress=progress.name.lower())
        return progress

    async def _advance(self, intent: Intent, *, background: bool) -> Progress:
        until = self._clock.monotonic() + self._lease.total_seconds() - _SENDING_S
        self._crashpoint("claimed")
        try:
            settled = await self._applier.apply(Attempt(intent, until, background))
            return await self._complete(intent, settled)
        except TransitionPending as error:
            return await self._release(intent, error, self._pause, Progress.LATER)
        except BackendUnavailable as error:
            return await self._release(intent, error, self._after(error), Progress.AWAY)
        except HoldfastError as error:
            return await self._park(intent, error)
        except Exception as error:
            where = "".join(traceback.format_tb(error.__traceback__))  # the text of an unknown error may hold anything
            _log.error("Intent %s of %s failed: %s\n%s", intent.id, intent.name, type(error).__name__, where)
            return await self._release(intent, error, timedelta(seconds=_MAX_PAUSE_S), Progress.LATER)

    async def _complete(self, intent: Intent, settled: Settled) -> Progress:
        kept = await self._journal.complete(
            intent, vault_version_id=settled.vault_version_id, vault_updated_at=settled.vault_updated_at
        )
        self._crashpoint("completed")
        if not kept:
            _log.warning("The lease on intent %s of %s was lost; whoever holds it now decides", intent.id, intent.name)
        elif settled.strangers:
            await self._take_over(intent.name)
        return Progress.SETTLED

    async def _take_over(self, name: SecretName) -> None:
        """The intent is settled, whatever comes of the versions beside it: the next sync finds them as well."""
        try:
            await self._adopter.refresh(name)
        except HoldfastError as error:
            _log.warning("Foreign versions of %s are yet to be adopted: %s", name, error)

    async def _park(self, intent: Intent, error: HoldfastError) -> Progress:
        text = _text(error)
        if await self._journal.park(intent, text):
            self._applier.forget(intent.id)
            _log.error("Intent parked: %s of %s: %s", intent.kind.value, intent.name, text)
        return Progress.PARKED

    async def _release(self, intent: Intent, error: Exception, pause: timedelta, progress: Progress) -> Progress:
        with suppress(BackendUnavailable):  # then the lease runs out by itself
            await self._journal.release(intent, _text(error), retry_in=pause)
        return progress

    def _after(self, error: BackendUnavailable) -> timedelta:
        asked = error.retry_after_s if isinstance(error, Throttled) else None
        return max(self._pause, timedelta(seconds=min(max(asked or 0.0, 0.0), _MAX_PAUSE_S)))


def _text(error: Exception) -> str:
    """The error as the journal keeps it. Errors of unknown kind may hold anything, so their text is left out."""
    text = f"{error.code}: {error}" if isinstance(error, HoldfastError) else type(error).__name__
    return printable(text, _MAX_ERROR) or ""
