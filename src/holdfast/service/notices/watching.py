"""Looks for events that nobody announces, because nothing happens when they come: time passes, or something stays."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from holdfast.domain.names import SecretName
from holdfast.domain.notices import FIRST_REMINDER, NEWS_FOR, Event, expiry_plan, reached
from holdfast.domain.rotation import Consumer, Phase, RotationRun
from holdfast.domain.secret import State
from holdfast.domain.validation import is_address
from holdfast.errors import IntegrityFailure
from holdfast.ports import (
    Clock,
    Journal,
    KeptOutStore,
    KeyStore,
    Ledger,
    NodeStore,
    NoticeStore,
    Notifier,
    RotationStore,
    StoredRule,
    StreamState,
)
from holdfast.resilience.events import Log
from holdfast.resilience.outages import Outages
from holdfast.resilience.supervision import surviving
from holdfast.service.notices.events import (
    GRANT_NOTICE,
    on_clock,
    on_ending_rule,
    on_ignored_rules,
    on_integrity,
    on_kept_out,
    on_keys,
    on_outages,
    on_parked,
    on_run,
    on_schedule,
    on_streams,
    soon,
)

_log: Final = Log(__name__)

LOOK_EVERY: Final = timedelta(minutes=1)
"""How often some node looks."""

KEEP_FOR: Final = timedelta(days=365)
"""For how long it is known who was told. What is still so after that is told once more."""

_GIVE_UP_AFTER: Final = timedelta(days=2)
_TIDY_EVERY_S: Final = 3600.0
_MANY: Final = 1000


class RulesThatEnd(Protocol):
    """Where grants and role assignments are stored."""

    async def ending(self, within: timedelta, *, after: timedelta) -> list[StoredRule]:
        """Return rules that end within some time and were made for more than ``after``; what ends first is first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What is looked at.

    ``laggards``: who still uses a replaced credential. ``streams``: where the audit trail is sent to.
    ``ignored_rules``: counts the rules in the database that Holdfast did not make. ``clock_doubt``: why PostgreSQL's
    clock is not believed, if so.
    """

    ledger: Ledger
    rotations: RotationStore
    laggards: Callable[[RotationRun], Awaitable[Sequence[Consumer]]]
    journal: Journal
    nodes: NodeStore
    rules: RulesThatEnd
    keys: KeyStore
    streams: Callable[[], Awaitable[Sequence[StreamState]]]
    ignored_rules: Callable[[], int]
    clock_doubt: Callable[[], str | None]
    kept_out: KeptOutStore


class Watch:
    """Every node may run it; one of them looks each time."""

    def __init__(self, store: NoticeStore, notifier: Notifier, clock: Clock, watched: Watched) -> None:
        self._store, self._notifier, self._clock = store, notifier, clock
        self._ledger, self._rotations, self._laggards = watched.ledger, watched.rotations, watched.laggards
        self._journal, self._nodes, self._ignored_rules = watched.journal, watched.nodes, watched.ignored_rules
        self._rules, self._keys, self._streams = watched.rules, watched.keys, watched.streams
        self._kept_out, self._clock_doubt = watched.kept_out, watched.clock_doubt
        self._told: set[tuple[str, tuple[str, ...]]] = set()
        self._outages = Outages(monotonic=clock.monotonic)
        self._telling: set[tuple[str, tuple[str, ...]]] = set()
        self._tidy_at = clock.monotonic() + _TIDY_EVERY_S
        self._looks = (
            self._look_at_installation,
            self._look_at_keys_and_streams,
            self._look_at_rules,
            self._look_at_expiries,
            self._look_at_rotations,
        )

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            with surviving(_log, "Looking for what people are to be told of"):
                if await self._store.may_look(LOOK_EVERY):
                    await self.look()
                if self._clock.monotonic() >= self._tidy_at:
                    await self.tidy()
            await self._clock.sleep(LOOK_EVERY.total_seconds())

    async def look(self) -> None:
        """Announce all that is to be told by now; anyone who was told before is not told again."""
        now, self._telling = self._clock.now(), set()
        for look in self._looks:
            what = f"Looking for notices ({look.__name__.removeprefix('_look_at_')})"
            try:
                await look(now)
            except IntegrityFailure as error:  # somebody has edited the database: the other looks go on
                self._outages.failed(what, error)
                await self._announce(on_integrity(error))
            else:
                self._outages.works(what)
        self._told = self._telling

    async def tidy(self) -> None:
        """Forget who was told long ago, and give up on recipients that no node reaches any more."""
        self._tidy_at = self._clock.monotonic() + _TIDY_EVERY_S
        await self._store.give_up(_GIVE_UP_AFTER)
        await self._store.forget(KEEP_FOR)

    async def _announce(self, event: Event, addresses: Collection[str] = ()) -> None:
        key = (event.id, tuple(addresses))
        if key not in self._told:  # spares the database what this node has stored before
            await self._notifier.announce(event, addresses)
        self._telling.add(key)

    async def _look_at_installation(self, now: datetime) -> None:
        found = [*map(on_parked, await self._journal.parked()), *on_outages(await self._nodes.present(), now)]
        found += on_kept_out(await self._kept_out.names(limit=_MANY), now)
        for event in [*found, *on_ignored_rules(self._ignored_rules()), *on_clock(self._clock_doubt())]:
            await self._announce(event)

    async def _look_at_keys_and_streams(self, now: datetime) -> None:
        on_keys_now = on_keys(await self._keys.keys(), await self._keys.rings())
        for event in [*on_keys_now, *on_streams(await self._streams(), now)]:
            await self._announce(event)

    async def _look_at_rules(self, _: datetime) -> None:
        """Whoever loses access hears of it, if they go by an address."""
        for rule in await self._rules.ending(GRANT_NOTICE, after=4 * GRANT_NOTICE):
            await self._announce(on_ending_rule(rule), [rule.subject] if is_address(rule.subject) else ())

    async def _look_at_expiries(self, now: datetime) -> None:
        for summary in await self._ledger.reminding(now, first=FIRST_REMINDER, news_for=NEWS_FOR):
            event = reached(expiry_plan(summary), now)
            if event is not None:
                await self._announce(event, summary.settings.notify_on_expiry)

    async def _look_at_rotations(self, now: datetime) -> None:
        """Those who hear of a secret's expiry hear of its rotations as well."""
        events = await self._on_rotations(now)
        heads = await self._ledger.heads(list({SecretName(event.subject) for event in events}))
        for event in events:
            head = heads.get(SecretName(event.subject))
            if head is not None and head.state is State.ACTIVE:
                await self._announce(event, head.settings.notify_on_expiry)

    async def _on_rotations(self, now: datetime) -> list[Event]:
        events = [soon(each) for each in await self._rotations.soon(limit=_MANY)]
        for schedule in await self._rotations.overdue(limit=_MANY):
            events += on_schedule(schedule, now)
        for run in await self._rotations.runs(open_only=True, limit=_MANY):
            waits = run.phase is Phase.CURRENT
            events += on_run(run, await self._laggards(run) if waits else (), now)
        return events
