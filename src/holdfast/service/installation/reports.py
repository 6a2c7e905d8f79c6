"""Health, expiry and history: what a person wants to know about the secrets without seeing them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from holdfast.domain.audit import AuditQuery, AuditRecord
from holdfast.domain.break_glass import EmergencyTotals
from holdfast.domain.names import SecretName
from holdfast.domain.notices import NoticeState, expiry_plan
from holdfast.domain.policy import Caller, Permission
from holdfast.domain.rotation import Laggard
from holdfast.ports import (
    AuditSearch,
    BackendHealth,
    Clock,
    Journal,
    JournalStatus,
    Ledger,
    NodeRecord,
    NodeStore,
    NoticeStore,
    Reports,
    RotationSchedule,
    RotationStore,
    SyncState,
)
from holdfast.service.access.guard import WHOLE_VAULT, Guard


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
    ``encryption_key``: the id of the key that the answering node seals with.
    """

    healthy: bool
    total_secrets: int
    expiring_soon: int
    expired: int
    without_rotation_policy: int
    deleted: int
    drifting: int
    last_rotation_check: datetime | None
    overdue_rotations: int
    failing_rotations: int
    late_consumers: int
    laggards: Sequence[Laggard]
    last_sync: datetime | None
    open_intents: int
    parked_intents: int
    oldest_intent_at: datetime | None
    waiting_notices: int
    dead_notices: int
    encryption_key: str
    backends: Sequence[BackendHealth]
    recommendations: Sequence[str]


_NAMED_IN_ADVICE: Final = 3


class Reporter:
    """Answers questions about all secrets at once.

    Args:
        backends: looks at every backend, as this node sees it.
        probe: asks every backend something; returns what is wrong with those that do not answer, by name.
        ignored_rules: counts the rules in the database that Holdfast did not make.
        laggards: finds the consumers that rotations wait for.
        sealing_key: the id of the key that this node seals with.
        emergencies: tells how much break-glass there is.
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
        ignored_rules: Callable[[], int],
        laggards: Callable[[], Awaitable[Sequence[Laggard]]],
        sealing_key: Callable[[], str],
        emergencies: Callable[[], Awaitable[EmergencyTotals]],
    ) -> None:
        self._guard, self._ledger, self._reports, self._audit = guard, ledger, reports, audit
        self._journal, self._sync, self._nodes, self._rotations = journal, sync, nodes, rotations
        self._clock, self._backends, self._probe = clock, backends, probe
        self._notices = notices
        self._ignored_rules, self._laggards, self._sealing_key = ignored_rules, laggards, sealing_key
        self._emergencies = emergencies

    async def history(self, caller: Caller, name: SecretName, limit: int) -> list[AuditRecord]:
        """The newest audit records of a secret, newest first, for those who may audit it or grant on it."""
        async with self._guard.operation(caller, Permission.AUDIT, name, "history", Permission.GRANT) as authorized:
            found = await self._audit.search(AuditQuery(name=name, limit=limit))
            await self._guard.record(authorized)
        return list(found.records)

    async def nodes(self, caller: Caller) -> list[NodeRecord]:
        """The nodes that run now, oldest first, each with its own view of the backends."""
        async with self._guard.operation(caller, Permission.OPERATE, WHOLE_VAULT, "nodes") as authorized:
            found = await self._nodes.present()
            await self._guard.record(authorized)
        return found

    async def expiring(self, caller: Caller, days: int) -> list[ExpiringSecret]:
        """Secrets that expire within ``days``, and expired ones, soonest first; only those the caller may list."""
        async with self._guard.listing(caller, "expiring") as authorized:
            now = self._clock.now()
            found = [
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
            await self._guard.record(authorized)
        return found

    async def health(self, caller: Caller, *, probe: bool) -> HealthReport:
        """Totals, backends, what waits for Key Vault, and what to do about it.

        For those who may operate, list or audit all secrets.
        """
        async with self._guard.operation(
            caller, Permission.OPERATE, WHOLE_VAULT, "health", Permission.LIST, Permission.AUDIT
        ) as authorized:
            totals, emergencies = await self._reports.totals(), await self._emergencies()
            journal, sync = await self._journal.status(), await self._sync.status()
            overdue, checked = await self._rotations.overdue(), await self._rotations.last_checked()
            (late, named), notices = await self._late(caller), await self._notices.counts()
            backends, ignored = await self._looked_at(probe=probe), self._ignored_rules()
            await self._guard.record(authorized)
        advice = [
            *_advice_on_secrets(totals.expired, totals.expiring_soon, totals.without_rotation_policy),
            *_advice_on_replication(journal, totals.drifting),
            *_advice_on_rotations(overdue),
            *_advice_on_laggards(late, named),
            *_advice_on_installation(notices[NoticeState.DEAD], backends, ignored, emergencies),
        ]
        well = all(backend.healthy for backend in backends if backend.configured)
        return HealthReport(
            healthy=well and not (journal.parked or totals.drifting or ignored or notices[NoticeState.DEAD]),
            total_secrets=totals.total,
            expiring_soon=totals.expiring_soon,
            expired=totals.expired,
            without_rotation_policy=totals.without_rotation_policy,
            deleted=totals.deleted,
            drifting=totals.drifting,
            last_rotation_check=checked,
            overdue_rotations=len(overdue),
            failing_rotations=sum(each.failures > 0 for each in overdue),
            late_consumers=len(late),
            laggards=named,
            last_sync=sync.last_finished_at,
            open_intents=journal.open,
            parked_intents=journal.parked,
            oldest_intent_at=journal.oldest_open_at,
            waiting_notices=notices[NoticeState.WAITING],
            dead_notices=notices[NoticeState.DEAD],
            encryption_key=self._sealing_key(),
            backends=backends,
            recommendations=advice,
        )

    async def _late(self, caller: Caller) -> tuple[Sequence[Laggard], Sequence[Laggard]]:
        """All laggards, and those whose secret the caller may know of."""
        late = await self._laggards()
        return late, [each for each in late if self._guard.may(caller, Permission.LIST, each.secret_name)]

    async def _looked_at(self, *, probe: bool) -> list[BackendHealth]:
        faults = await self._probe() if probe else {}
        return [_with_fault(each, faults.get(each.name)) for each in self._backends()]


def _with_fault(backend: BackendHealth, fault: str | None) -> BackendHealth:
    return backend if fault is None else replace(backend, healthy=False, detail=fault)


def _advice_on_secrets(expired: int, expiring: int, without_policy: int) -> list[str]:
    advice = []
    if expired:
        advice.append(f"{expired} secret(s) have expired: set new versions, or delete what nobody needs.")
    if expiring:
        advice.append(f"{expiring} secret(s) expire within 30 days: `holdfast expiring` names them.")
    if without_policy:
        advice.append(f"{without_policy} secret(s) have no rotation policy: give them one with set or update.")
    return advice


def _advice_on_rotations(overdue: Sequence[RotationSchedule]) -> list[str]:
    advice = []
    failing = sum(each.failures > 0 for each in overdue)
    asking = sum(each.requested_at is not None and each.approved_by is None for each in overdue)
    if failing:
        advice.append(f"{failing} rotation(s) that are due fail: `holdfast rotation list` says why.")
    if asking:
        advice.append(f"{asking} rotation(s) that are due ask for approval: `holdfast rotation list` names them.")
    return advice


def _advice_on_laggards(late: Sequence[Laggard], named: Sequence[Laggard]) -> list[str]:
    if not late:
        return []
    first = [f"{each.user_id} of {each.secret_name}" for each in named[:_NAMED_IN_ADVICE]]
    more = f" ({', '.join(first)}{', …' if len(late) > len(first) else ''})" if first else ""
    mend = "have them fetch anew, or revoke it with `holdfast rotation retire`"
    return [f"{len(late)} consumer(s) still use a credential that a rotation replaced{more}: {mend}."]


def _advice_on_installation(
    dead_notices: int, backends: Sequence[BackendHealth], ignored_rules: int, emergencies: EmergencyTotals
) -> list[str]:
    return [
        *_advice_on_notices(dead_notices),
        *_advice_on_backends(backends),
        *_advice_on_rules(ignored_rules),
        *_advice_on_emergencies(emergencies),
    ]


def _advice_on_notices(dead: int) -> list[str]:
    mend = "`holdfast notices list --state dead` says why, `notices retry` sends them, `notices discard` gives them up"
    return [f"{dead} notice(s) reached nobody: {mend}."] if dead else []


def _advice_on_replication(journal: JournalStatus, drifting: int) -> list[str]:
    advice = []
    if journal.parked:
        advice.append(f"{journal.parked} change(s) are parked: `holdfast reconcile` says why and what can be done.")
    if drifting:
        advice.append(f"{drifting} secret(s) differ from Key Vault: `holdfast reconcile` names them.")
    return advice


_WHILE_DOWN: Final = {
    "postgresql": "changes are refused, and reads end with the lease on the grants. Bring it back first.",
    "audit": "records are kept in the local log and shipped later. Bring PostgreSQL back, and keep the data folder.",
    "redis": "only speed suffers. Check REDIS_URL and the server if it lasts.",
    "keyvault": "the mirror answers, and changes are replayed when it is back. If it lasts, check the network, "
    "the credential and its role on the vault.",
}


def _advice_on_rules(ignored: int) -> list[str]:
    mend = "the log names them; find out who wrote them, and delete them"
    return [f"{ignored} rule(s) were not made by Holdfast and are ignored: {mend}."] if ignored else []


def _advice_on_emergencies(emergencies: EmergencyTotals) -> list[str]:
    advice = []
    if emergencies.open_requests or emergencies.live_grants:
        advice.append(
            f"{emergencies.open_requests} request(s) for emergency access wait, {emergencies.live_grants} are granted: "
            "`holdfast break-glass list --open` shows them."
        )
    if emergencies.unrotated:
        advice.append(
            f"{emergencies.unrotated} secret(s) were read by break-glass and are not rotated by themselves: "
            "`holdfast break-glass show` names them; rotate them."
        )
    return advice


def _advice_on_backends(backends: Sequence[BackendHealth]) -> list[str]:
    return [f"{b.name} is down: {_WHILE_DOWN[b.name]}" for b in backends if b.configured and not b.healthy]
