"""The way of accepted changes to Key Vault: at once where possible, by replay where not, in order, once in effect.

Per secret only the lowest waiting intent is under way, under a lease with a fence. The replay stops when a backend is
away. What Key Vault refuses is parked, raises the alarm, and is tried again every hour; what fails for a reason of its
own is tried again with back-off. Neither holds up the intents of other secrets.
"""

import asyncio
import enum
import random
import traceback
from collections.abc import Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from holdfast.domain.intent import Intent, IntentKind, IntentState
from holdfast.domain.names import SecretName
from holdfast.errors import (
    BackendUnavailable,
    HoldfastError,
    NameRefused,
    NameUnavailable,
    OutcomeUnknown,
    Rejected,
    SecretDeleted,
    Throttled,
    TransitionPending,
)
from holdfast.ports import Clock, Journal, Tracing, rooted, traced
from holdfast.resilience.correlation import correlate
from holdfast.resilience.events import Event, Log
from holdfast.resilience.retry import doubled
from holdfast.resilience.supervision import surviving
from holdfast.resilience.tasks import pause
from holdfast.service.crashpoints import Crashpoint, no_crash
from holdfast.service.secrets.announcing import Reach
from holdfast.service.secrets.changes import Change
from holdfast.service.secrets.proposing import PROPOSAL_LEASE, Proposals, Taken, as_text
from holdfast.service.vault.adoption import Adopter
from holdfast.service.vault.applying import Applier, Attempt

_log: Final = Log(__name__)

LEASE: Final = timedelta(seconds=60)
_SENDING_S: Final = 10.0
"""What a lease must still have before a change is sent: more than one write may take."""

_OTHERS_S: Final = 1.0
"""How long a writer waits for whoever has its change in hand: the replay, here or on another node, may be quicker."""

_LOOK_S: Final = 0.02
_MAX_PAUSE_S: Final = 60.0
_LONGEST: Final = timedelta(minutes=15)
"""How long at most an intent waits that fails for a reason of its own."""

PARKED_FOR: Final = timedelta(hours=1)
"""How long what Key Vault refuses is left alone before it is tried again."""

_ORPHANS: Final = 100


class Progress(enum.Enum):
    """How one step went."""

    NONE = "nothing to do"
    SETTLED = "settled"
    LATER = "something is still settling"
    PARKED = "parked"
    AWAY = "a backend is away"


class Replicator:
    """Implements ``service.secrets.announcing.Pusher`` and runs the replay.

    Args:
        deadline_s: how long a push may keep a writer waiting.
        interval_s: how often the journal is looked at without being woken.
        pause: before an intent is tried again whose backend was away; the first and shortest one after other failures.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        applier: Applier,
        adopter: Adopter,
        proposals: Proposals,
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
        self._proposals = proposals
        self._flights: dict[SecretName, asyncio.Task[Progress]] = {}
        self._woken = asyncio.Event()
        self._healthy = True
        self._reopened: set[UUID] = set()

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

    async def reach(self, name: SecretName, kind: IntentKind) -> Reach:
        """See ``Pusher.reach``."""
        if not self._applier.takes_changes():
            return Reach.PUSH
        first = await self._journal.in_the_way(name, kind)
        if first is not None and not await self.push(name, first):
            return Reach.REPLAY
        if kind is not IntentKind.SET:
            return Reach.ASK
        try:
            await self._applier.look_ahead(name)
        except (NameUnavailable, TransitionPending) as error:
            _log(Event.FOREIGN_LATER, name=name, reason=error)
        except BackendUnavailable:
            return Reach.REPLAY
        return Reach.ASK

    async def offer(self, change: Change) -> Taken:
        """See ``Pusher.offer``."""
        until = self._clock.monotonic() + PROPOSAL_LEASE.total_seconds() - _SENDING_S
        with traced("replicate"):
            return await self._applier.offer(
                Attempt(change.as_intent(self._clock), until, background=False), change.value
            )

    async def taken(self, name: SecretName, taken: Taken | None) -> None:
        """See ``Pusher.taken``."""
        if taken is None:
            self.wake()
        elif taken.strangers:
            await self._take_over(name)

    async def refusal(self, name: SecretName) -> str | None:
        """See ``Pusher.refusal``."""
        parked = await self._journal.parked(name)
        return parked[-1].last_error if parked else None

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

    async def retry_parked(self) -> int:
        """Replay what is parked as well, and tell of each such change that is taken; returns how many there were.

        Raises:
            BackendUnavailable: the journal itself is out of reach.
        """
        self._reopened |= {intent.id for intent in await self._journal.parked()}
        reopened = await self._journal.unpark()
        await self.drain()
        return reopened

    async def drain(self) -> int:
        """Replay what is due until nothing is left or a backend is away; returns how many intents were settled.

        Raises:
            BackendUnavailable: the journal itself is out of reach.
        """
        await self._take_orphans()
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

    async def _take_orphans(self) -> None:
        """Accept the changes whose makers are gone."""
        for orphan in await self._journal.take_orphans(limit=_ORPHANS, lease=self._lease):
            self._crashpoint("orphaned")
            try:
                await self._proposals.enact_orphan(orphan)
            except HoldfastError as error:
                _log(Event.CHANGE_NOT_ACCEPTED, name=orphan.intent.name, reason=error)

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
        attempt = Attempt(intent, until, background, intent.limbo_since)
        try:
            taken = await self._applier.apply(attempt)
        except Exception as error:
            return await self._failed(attempt, error)
        try:
            return await self._complete(intent, taken)
        except BackendUnavailable as error:
            return await self._release(intent, error, self._pause, Progress.AWAY, in_doubt=True)

    async def _failed(self, attempt: Attempt, error: Exception) -> Progress:
        """Let an intent wait that was not settled, for as long as what ails it suggests."""
        intent, in_doubt = attempt.intent, _in_doubt(error)
        if isinstance(error, TransitionPending | NameUnavailable) and not isinstance(error, NameRefused):
            pause, left = self._backoff(intent), self._applier.settles_in(attempt)
            pause = min(pause, left) if left else pause
            since = attempt.limbo_since
            return await self._release(intent, error, pause, Progress.LATER, in_doubt=in_doubt, since=since)
        if isinstance(error, BackendUnavailable) and not isinstance(error, NameRefused):
            return await self._release(intent, error, self._after(error), Progress.AWAY, in_doubt=in_doubt)
        if isinstance(error, HoldfastError):
            return await self._park(intent, error, in_doubt=in_doubt)
        where = "".join(traceback.format_tb(error.__traceback__))  # the text of an unknown error may hold anything
        _log(
            Event.CHANGE_MET_UNKNOWN_ERROR, intent=intent.id, name=intent.name, reason=type(error).__name__, where=where
        )
        return await self._release(intent, error, self._backoff(intent), Progress.LATER, in_doubt=True)

    async def _complete(self, intent: Intent, taken: Taken) -> Progress:
        kept = await self._journal.complete(
            intent, vault_version_id=taken.vault_version_id, vault_updated_at=taken.vault_updated_at
        )
        self._crashpoint("completed")
        if not kept:
            _log(Event.CHANGE_LEASE_LOST, intent=intent.id, name=intent.name)
        elif intent.state is IntentState.PARKED or intent.id in self._reopened:
            _log(Event.CHANGE_UNPARKED, kind=intent.kind.value, name=intent.name)
            self._reopened.discard(intent.id)
        if kept and taken.strangers:
            await self._take_over(intent.name)
        return Progress.SETTLED

    async def _take_over(self, name: SecretName) -> None:
        """The intent is settled, whatever comes of the versions beside it: the next sync finds them as well."""
        try:
            await self._adopter.refresh(name)
        except HoldfastError as error:
            _log(Event.FOREIGN_LATER, name=name, reason=error)

    async def _park(self, intent: Intent, error: HoldfastError, *, in_doubt: bool) -> Progress:
        text = as_text(error)
        refused = isinstance(error, Rejected | SecretDeleted | NameRefused)
        state = await self._journal.park(intent, text, retry_in=PARKED_FOR, in_doubt=in_doubt, overtaken=refused)
        if state is IntentState.SUPERSEDED:
            _log(Event.CHANGE_SUPERSEDED, kind=intent.kind.value, name=intent.name, reason=text)
            return Progress.SETTLED
        if state is not None and intent.state is not IntentState.PARKED:
            _log(Event.CHANGE_PARKED, kind=intent.kind.value, name=intent.name, reason=text)
        return Progress.PARKED

    async def _release(
        self,
        intent: Intent,
        error: Exception,
        pause: timedelta,
        progress: Progress,
        *,
        in_doubt: bool,
        since: datetime | None = None,
    ) -> Progress:
        failed = progress is Progress.LATER
        with suppress(BackendUnavailable):  # then the lease runs out by itself
            await self._journal.release(
                intent, as_text(error), retry_in=pause, failed=failed, in_doubt=in_doubt, limbo_since=since
            )
        return progress

    def _backoff(self, intent: Intent) -> timedelta:
        """Doubled with each failure, a quarter of it at random, so that what failed together comes back apart."""
        longest = doubled(self._pause, intent.failures, max(_LONGEST, self._pause))
        return longest * random.uniform(0.75, 1)  # noqa: S311 - to spread attempts, not to keep a secret

    def _after(self, error: BackendUnavailable) -> timedelta:
        asked = error.retry_after_s if isinstance(error, Throttled) else None
        return max(self._pause, timedelta(seconds=min(max(asked or 0.0, 0.0), _MAX_PAUSE_S)))


def _in_doubt(error: Exception) -> bool:
    """Whether an attempt that failed so may have taken effect. Failures of one secret are of unknown outcome too."""
    return isinstance(error, OutcomeUnknown | NameUnavailable) and not isinstance(error, NameRefused)
