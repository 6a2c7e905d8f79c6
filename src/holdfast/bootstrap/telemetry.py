"""The gauges of a node: what it looks at now and then, so that a scrape asks nobody."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from holdfast.errors import BackendUnavailable
from holdfast.ports import (
    BackendHealth,
    BreakGlassStore,
    Clock,
    GrantStore,
    Journal,
    KeptOutStore,
    NoticeStore,
    RotationStore,
    SyncState,
)
from holdfast.resilience.events import Event, Log
from holdfast.resilience.supervision import FailingWork, surviving
from holdfast.telemetry.recorder import Recorder
from holdfast.telemetry.table import BREAKER_STATES

_log: Final = Log(__name__)

LOOK_INTERVAL_S: Final = 5.0
_MANY: Final = 1000

Gauges = Mapping[tuple[str, str], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauging:
    """Looks at a node, which began at ``started_at``, and its database.

    ``known_changes``: how many changes of ``rules`` this node has heard of. ``failing_work``: what it fails at besides
    serving. ``sync_interval``: what lies between two passes over Key Vault; None: there is none.
    """

    recorder: Recorder
    backends: Callable[[], Sequence[BackendHealth]]
    journal: Journal
    sync: SyncState
    rotations: RotationStore
    break_glass: BreakGlassStore
    notices: NoticeStore
    clock: Clock
    rules: GrantStore
    known_changes: Callable[[], int]
    kept_out: KeptOutStore
    failing_work: Callable[[], Sequence[FailingWork]]
    sync_interval: timedelta | None
    started_at: datetime

    async def run(self) -> None:
        """Look for ever. While PostgreSQL is away, what only it knows is not shown."""
        while True:
            with surviving(_log, "Looking at the gauges"):
                await self.look()
            await asyncio.sleep(LOOK_INTERVAL_S)

    async def look(self) -> None:
        """Look once."""
        try:
            stored = await self._stored()
        except BackendUnavailable as error:
            _log(Event.GAUGES_NOT_SHOWN, reason=error)
            stored = {}
        self.recorder.show({**self._seen(), **stored})

    def _seen(self) -> Gauges:
        found = {each.name: each for each in self.backends() if each.configured}
        up = {name: float(each.healthy) for name, each in found.items()}
        vault = found.get("keyvault")
        breakers = (vault.breakers or {}) if vault else {}
        return {
            ("secrets_keyvault_connected", ""): up.get("keyvault"),
            ("secrets_redis_connected", ""): up.get("redis"),
            ("holdfast_postgresql_connected", ""): up.get("postgresql"),
            ("holdfast_audit_degraded", ""): 1.0 - up.get("audit", 1.0),
            ("holdfast_work_failing", ""): float(len(self.failing_work())),
            **{("holdfast_breaker_state", kind): BREAKER_STATES[state] for kind, state in breakers.items()},
        }

    async def _stored(self) -> Gauges:
        waiting = await self.journal.status()
        emergencies = await self.break_glass.totals()
        notices = await self.notices.counts()
        changes = await self.rules.changes()
        return {
            ("holdfast_grants_epoch_lag", ""): float(max(0, changes - self.known_changes())),
            ("holdfast_intents", "open"): float(waiting.open),
            ("holdfast_intents", "parked"): float(waiting.parked),
            **{("holdfast_notices", state): float(number) for state, number in notices.items()},
            ("holdfast_sync_lag_seconds", ""): self._age(waiting.oldest_open_at) or 0.0,
            **await self._mirrored(),
            ("holdfast_rotations_open", ""): float(len(await self.rotations.runs(open_only=True, limit=_MANY))),
            ("holdfast_rotations_overdue", ""): float(len(await self.rotations.overdue(limit=_MANY))),
            ("holdfast_break_glass", "requested"): float(emergencies.open_requests),
            ("holdfast_break_glass", "granted"): float(emergencies.live_grants),
        }

    async def _mirrored(self) -> Gauges:
        """How well Key Vault is mirrored, if there is one."""
        if self.sync_interval is None:
            return {}
        status, now = await self.sync.status(), self.clock.now()
        since = status.last_started_at or status.first_tried_at or self.started_at
        return {
            ("holdfast_mirror_age_seconds", ""): self._age(since),
            ("holdfast_mirror_late", ""): float(status.fault(self.sync_interval, now) is not None),
            ("holdfast_mirror_kept_out", ""): float(await self.kept_out.count()),
        }

    def _age(self, since: datetime | None) -> float | None:
        return max(0.0, (self.clock.now() - since).total_seconds()) if since else None
