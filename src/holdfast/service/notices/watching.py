"""Looks for events that nobody announces, because nothing happens when they come: time passes, or something stays."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from holdfast.domain.names import SecretName
from holdfast.domain.notices import Event, expiry_plan, reached
from holdfast.domain.rotation import Consumer, Phase, RotationRun
from holdfast.domain.secret import State
from holdfast.domain.validation import MAX_INTERVAL_DAYS
from holdfast.errors import HoldfastError
from holdfast.ports import Clock, Journal, Ledger, NodeStore, NoticeStore, Notifier, RotationStore
from holdfast.service.notices.events import on_outages, on_parked, on_run, on_schedule, soon

_log: Final = logging.getLogger(__name__)

LOOK_EVERY: Final = timedelta(minutes=1)
"""How often some node looks."""

_MANY: Final = 1000
_HORIZON: Final = timedelta(days=MAX_INTERVAL_DAYS)
"""No reminder comes earlier before an expiry than that."""

Laggards = Callable[[RotationRun], Awaitable[Sequence[Consumer]]]


class Watch:
    """Every node may run it; one of them looks each time. ``laggards``: who still uses a replaced credential."""

    def __init__(
        self,
        *,
        store: NoticeStore,
        notifier: Notifier,
        ledger: Ledger,
        rotations: RotationStore,
        laggards: Laggards,
        journal: Journal,
        nodes: NodeStore,
        clock: Clock,
    ) -> None:
        self._store, self._notifier, self._ledger, self._rotations = store, notifier, ledger, rotations
        self._laggards, self._journal, self._nodes, self._clock = laggards, journal, nodes, clock

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                if await self._store.may_look(LOOK_EVERY):
                    await self.look()
            except HoldfastError as error:
                _log.info("Looking for what people are to be told of waits: %s", error)
            await self._clock.sleep(LOOK_EVERY.total_seconds())

    async def look(self) -> None:
        """Announce all that is to be told by now; whoever was told before is not told again."""
        now = self._clock.now()
        await self._look_at_expiries(now)
        await self._announce_on_secrets(await self._on_rotations(now))
        on_installation = [*map(on_parked, await self._journal.parked()), *on_outages(await self._nodes.present(), now)]
        for event in on_installation:
            await self._notifier.announce(event)

    async def _look_at_expiries(self, now: datetime) -> None:
        for summary in await self._ledger.expiring(now + _HORIZON):
            event = reached(expiry_plan(summary), now)
            if event is not None:
                await self._notifier.announce(event, summary.settings.notify_on_expiry)

    async def _on_rotations(self, now: datetime) -> list[Event]:
        events = [soon(each) for each in await self._rotations.soon(limit=_MANY)]
        for schedule in await self._rotations.overdue(limit=_MANY):
            events += on_schedule(schedule, now)
        for run in await self._rotations.runs(open_only=True, limit=_MANY):
            waits = run.phase is Phase.CURRENT
            events += on_run(run, await self._laggards(run) if waits else (), now)
        return events

    async def _announce_on_secrets(self, events: Sequence[Event]) -> None:
        """Those who hear of a secret's expiry hear of its rotations as well."""
        heads = await self._ledger.heads(list({SecretName(event.subject) for event in events}))
        for event in events:
            head = heads.get(SecretName(event.subject))
            if head is not None and head.state is State.ACTIVE:
                await self._notifier.announce(event, head.settings.notify_on_expiry)
