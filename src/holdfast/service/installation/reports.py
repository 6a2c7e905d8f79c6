"""Health, expiry and history: what a person wants to know about the secrets without seeing them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from holdfast.domain.audit import AuditQuery, AuditRecord
from holdfast.domain.break_glass import EmergencyTotals
from holdfast.domain.names import SecretName
from holdfast.domain.notices import NoticeState, expiry_plan
from holdfast.domain.policy import AuthMethod, Caller, Permission
from holdfast.domain.rotation import Laggard
from holdfast.errors import BackendUnavailable
from holdfast.ports import (
    AuditSearch,
    BackendHealth,
    Clock,
    Journal,
    KeptOut,
    KeptOutStore,
    Ledger,
    NodeRecord,
    NodeStore,
    NoticeStore,
    Reports,
    RotationStore,
    SyncState,
    SyncStatus,
)
from holdfast.resilience.supervision import FailingWork
from holdfast.service.access.guard import WHOLE_VAULT, Guard
from holdfast.service.installation.judgement import Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoAmI:
    """Who asks, by what kind of proof, as a member of which groups, and the id of the installation that answers."""

    identity: str
    method: AuthMethod
    groups: tuple[str, ...]
    installation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiringSecret:
    """A secret whose current version expires soon, or has; ``days_until_expiry`` is negative then.

    ``next_notice_at``: when people are told of it next; None: they have been told all there is to tell.
    """

    secret_name: SecretName
    expires_at: datetime
    days_until_expiry: int
    version: int
    next_notice_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """The state of the secrets and of what they depend on.

    ``expiring_soon`` counts those that expire within 30 days. ``healthy``: every configured backend works, and nothing
    waits for a person. ``laggards``: who still uses a credential that a rotation replaced, of secrets that the caller
    may list; ``late_consumers`` counts those of all secrets. No other names of secrets are in it.
    ``beyond_dates``: how many have an expiry in Key Vault that no date can hold.
    ``encryption_key``: the id of the key that the answering node seals with. ``failing_work``: what that node does in
    the background and fails at. ``kept_out``: how many names in Key Vault cannot be mirrored; ``kept_out_names`` are
    those that the caller may list, up to a hundred. ``mirror_fault``: what is wrong with the mirroring as a whole.
    """

    healthy: bool
    total_secrets: int
    expiring_soon: int
    expired: int
    without_rotation_policy: int
    deleted: int
    drifting: int
    beyond_dates: int
    last_rotation_check: datetime | None
    overdue_rotations: int
    failing_rotations: int
    late_consumers: int
    laggards: Sequence[Laggard]
    last_sync: datetime | None
    mirror_fault: str | None
    kept_out: int
    kept_out_names: Sequence[KeptOut]
    open_intents: int
    parked_intents: int
    oldest_intent_at: datetime | None
    waiting_notices: int
    dead_notices: int
    encryption_key: str
    backends: Sequence[BackendHealth]
    failing_work: Sequence[FailingWork]
    recommendations: Sequence[str]


_NAMED_AT_MOST: Final = 100
_LOOKED_THROUGH: Final = 1000


class Reporter:
    """Answers questions about all secrets at once.

    Args:
        backends: looks at every backend, as this node sees it.
        probe: asks every backend something; returns what is wrong with those that do not answer, by name.
        lost_changes: counts the secrets whose newest change the database has lost.
        set_aside: counts the audit records that no chain takes.
        ignored_rules: counts the rules in the database that Holdfast did not make.
        refused_identities: counts the identities whose rows do not count.
        laggards: finds the consumers that rotations wait for.
        sealing_key: the id of the key that this node seals with.
        emergencies: tells how much break-glass there is.
        failing_work: what this node fails at in the background.
        sync_interval: what lies between two passes over Key Vault; None: there is none.
    """

    def __init__(
        self,
        *,
        guard: Guard,
        ledger: Ledger,
        reports: Reports,
        audit: AuditSearch,
        journal: Journal,
        sync: SyncState,
        nodes: NodeStore,
        rotations: RotationStore,
        notices: NoticeStore,
        clock: Clock,
        backends: Callable[[], Sequence[BackendHealth]],
        probe: Callable[[], Awaitable[Mapping[str, str]]],
        lost_changes: Callable[[], int],
        set_aside: Callable[[], Awaitable[int]],
        ignored_rules: Callable[[], int],
        refused_identities: Callable[[], int],
        laggards: Callable[[], Awaitable[Sequence[Laggard]]],
        sealing_key: Callable[[], str],
        emergencies: Callable[[], Awaitable[EmergencyTotals]],
        failing_work: Callable[[], Sequence[FailingWork]],
        kept_out: KeptOutStore,
        sync_interval: timedelta | None,
    ) -> None:
        self._guard, self._ledger, self._reports, self._audit = guard, ledger, reports, audit
        self._journal, self._sync, self._nodes, self._rotations = journal, sync, nodes, rotations
        self._clock, self._backends, self._probe = clock, backends, probe
        self._notices = notices
        self._lost_changes, self._set_aside = lost_changes, set_aside
        self._ignored_rules, self._laggards, self._sealing_key = ignored_rules, laggards, sealing_key
        self._emergencies, self._failing_work = emergencies, failing_work
        self._refused_identities = refused_identities
        self._kept_out, self._sync_interval = kept_out, sync_interval

    async def history(self, caller: Caller, name: SecretName, limit: int) -> list[AuditRecord]:
        """The newest audit records of a secret, newest first, for those who may audit it or grant on it."""
        async with self._guard.operation(caller, Permission.AUDIT, name, "history", Permission.GRANT):
            found = await self._audit.search(AuditQuery(name=name, limit=limit))
        return list(found.records)

    async def nodes(self, caller: Caller) -> list[NodeRecord]:
        """The nodes that run now, oldest first, each with its own view of the backends."""
        async with self._guard.operation(caller, Permission.OPERATE, WHOLE_VAULT, "nodes"):
            return await self._nodes.present()

    async def expiring(self, caller: Caller, days: int) -> list[ExpiringSecret]:
        """Secrets that expire within ``days``, and expired ones, soonest first; only those the caller may list."""
        async with self._guard.listing(caller, "expiring"):
            now = self._clock.now()
            return [
                ExpiringSecret(
                    secret_name=entry.name,
                    expires_at=entry.current.expires_at,
                    days_until_expiry=(entry.current.expires_at - now) // timedelta(days=1),
                    version=entry.current.version,
                    next_notice_at=next((step.at for step in expiry_plan(entry) if step.at > now), None),
                )
                for entry in await self._ledger.expiring(now + timedelta(days=days))
                if entry.current.expires_at is not None and self._guard.may(caller, Permission.LIST, entry.name)
            ]

    async def health(self, caller: Caller, *, probe: bool) -> HealthReport:
        """Totals, backends, what waits for Key Vault, and what to do about it.

        For those who may operate, list or audit all secrets.
        """
        async with self._guard.operation(
            caller, Permission.OPERATE, WHOLE_VAULT, "health", Permission.LIST, Permission.AUDIT
        ):
            try:
                facts = await self._facts(caller, probe=probe)
            except BackendUnavailable as error:
                raise BackendUnavailable(f"{error}. {self._why()}") from error
        return _report(facts, self._sealing_key())

    async def _facts(self, caller: Caller, *, probe: bool) -> Facts:
        (late, named), notices = await self._late(caller), await self._notices.counts()
        stuck = [each for each in await self._rotations.runs(open_only=True, limit=_LOOKED_THROUGH) if each.is_stuck]
        sync, kept_out = await self._sync.status(), await self._kept_out.names(limit=_LOOKED_THROUGH)
        return Facts(
            totals=await self._reports.totals(),
            emergencies=await self._emergencies(),
            journal=await self._journal.status(),
            sync=sync,
            mirror_fault=self._mirror_fault(sync),
            kept_out=await self._kept_out.count(),
            kept_out_names=[each for each in kept_out if self._guard.may_know(caller, each.name)][:_NAMED_AT_MOST],
            overdue=await self._rotations.overdue(),
            checked_at=await self._rotations.last_checked(),
            stuck=stuck,
            stuck_names=[each.name for each in stuck if self._guard.may(caller, Permission.LIST, each.name)],
            late=late,
            named=named,
            waiting_notices=notices[NoticeState.WAITING],
            dead_notices=notices[NoticeState.DEAD],
            backends=await self._looked_at(probe=probe),
            lost_changes=self._lost_changes(),
            set_aside=await self._set_aside(),
            ignored_rules=self._ignored_rules(),
            refused_identities=self._refused_identities(),
            failing_work=self._failing_work(),
        )

    def _why(self) -> str:
        """What is known of a database that cannot be asked for totals."""
        down = [f"{each.name}: {each.detail}" for each in self._backends() if not each.healthy and each.detail]
        return "; ".join(down)

    async def _late(self, caller: Caller) -> tuple[Sequence[Laggard], Sequence[Laggard]]:
        """All laggards, and those whose secret the caller may know of."""
        late = await self._laggards()
        return late, [each for each in late if self._guard.may(caller, Permission.LIST, each.secret_name)]

    def _mirror_fault(self, sync: SyncStatus) -> str | None:
        return sync.fault(self._sync_interval, self._clock.now()) if self._sync_interval else None

    async def _looked_at(self, *, probe: bool) -> list[BackendHealth]:
        faults = await self._probe() if probe else {}
        return [_with_fault(each, faults.get(each.name)) for each in self._backends()]


def _with_fault(backend: BackendHealth, fault: str | None) -> BackendHealth:
    return backend if fault is None else replace(backend, healthy=False, detail=fault)


def _report(facts: Facts, encryption_key: str) -> HealthReport:
    totals, journal, overdue = facts.totals, facts.journal, facts.overdue
    return HealthReport(
        healthy=facts.well,
        total_secrets=totals.total,
        expiring_soon=totals.expiring_soon,
        expired=totals.expired,
        without_rotation_policy=totals.without_rotation_policy,
        deleted=totals.deleted,
        drifting=totals.drifting,
        beyond_dates=totals.beyond_dates,
        last_rotation_check=facts.checked_at,
        overdue_rotations=len(overdue),
        failing_rotations=facts.failing_rotations,
        late_consumers=len(facts.late),
        laggards=facts.named,
        last_sync=facts.sync.last_finished_at,
        mirror_fault=facts.mirror_fault,
        kept_out=facts.kept_out,
        kept_out_names=facts.kept_out_names,
        open_intents=journal.open,
        parked_intents=journal.parked,
        oldest_intent_at=journal.oldest_open_at,
        waiting_notices=facts.waiting_notices,
        dead_notices=facts.dead_notices,
        encryption_key=encryption_key,
        backends=facts.backends,
        failing_work=facts.failing_work,
        recommendations=facts.advice(),
    )
