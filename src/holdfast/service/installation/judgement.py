"""What is found about an installation, judged: is it well, and what is to be done?"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from holdfast.domain.break_glass import EmergencyTotals
from holdfast.domain.names import SecretName
from holdfast.domain.rotation import Laggard, RotationRun
from holdfast.ports import BackendHealth, JournalStatus, KeptOut, RotationSchedule, SyncStatus, VaultTotals
from holdfast.resilience.supervision import FailingWork

_NAMED_IN_ADVICE: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was found.

    ``late``: all who still use a replaced credential; ``named``: those of secrets that the caller may know of.
    ``kept_out_names``: those of all that are kept out that the caller may know of. ``lost_changes``: secrets whose
    newest change the database has lost. ``set_aside``: audit records that no chain takes. ``ignored_rules``: how
    many rules Holdfast did not make; ``refused_identities``: how many identities have rows that do not count.
    ``stuck``: rotations under way whose step fails again and again; ``stuck_names``: those that the caller may know
    of. ``failing_work``: of the node that looks.
    """

    totals: VaultTotals
    emergencies: EmergencyTotals
    journal: JournalStatus
    sync: SyncStatus
    mirror_fault: str | None
    kept_out: int
    kept_out_names: Sequence[KeptOut]
    overdue: Sequence[RotationSchedule]
    checked_at: datetime | None
    stuck: Sequence[RotationRun]
    stuck_names: Sequence[SecretName]
    late: Sequence[Laggard]
    named: Sequence[Laggard]
    waiting_notices: int
    dead_notices: int
    backends: Sequence[BackendHealth]
    ignored_rules: int
    refused_identities: int
    lost_changes: int
    set_aside: int
    failing_work: Sequence[FailingWork]

    @property
    def failing_rotations(self) -> int:
        """Secrets whose rotation fails, before it begins or under way."""
        return len({each.name for each in self.overdue if each.failures} | {each.name for each in self.stuck})

    @property
    def well(self) -> bool:
        """Whether every configured backend works, and nothing waits for a person."""
        totals = self.totals
        waits = (self.journal.parked, totals.drifting, totals.beyond_dates, self.ignored_rules, self.dead_notices)
        faults = (self.journal.stuck, self.mirror_fault, self.kept_out, self.failing_work, self.stuck)
        lost = (self.lost_changes, self.set_aside, self.refused_identities)
        well = all(backend.healthy for backend in self.backends if backend.configured)
        return well and not any((*waits, *faults, *lost))

    def advice(self) -> list[str]:
        """What to do, each in a sentence."""
        return [
            *_on_secrets(self.totals),
            *_on_dates(self.totals.beyond_dates),
            *_on_replication(self.journal, self.totals.drifting),
            *_on_mirror(self.mirror_fault, self.sync.lacking),
            *_on_kept_out(self.kept_out, self.kept_out_names),
            *_on_losses(self.lost_changes),
            *_on_set_aside(self.set_aside),
            *_on_rotations(self.overdue),
            *_on_stuck(self.stuck, self.stuck_names),
            *_on_laggards(self.late, self.named),
            *_on_notices(self.dead_notices),
            *_on_backends(self.backends),
            *_on_rules(self.ignored_rules),
            *_on_identities(self.refused_identities),
            *_on_emergencies(self.emergencies),
            *_on_work(self.failing_work),
        ]


def _on_losses(lost: int) -> list[str]:
    mend = "`holdfast audit search --operation loss` names them; set anew what is outdated"
    return [f"{lost} secret(s) went back to an older state with the database: {mend}."] if lost else []


def _on_set_aside(number: int) -> list[str]:
    mend = "the table audit_set_aside has them with the reason; keep them elsewhere, and delete them there"
    return [f"{number} audit record(s) could not be taken into the audit trail: {mend}."] if number else []


def _on_secrets(totals: VaultTotals) -> list[str]:
    expired, expiring, without_policy = totals.expired, totals.expiring_soon, totals.without_rotation_policy
    advice = []
    if expired:
        advice.append(f"{expired} secret(s) have expired: set new versions, or delete what nobody needs.")
    if expiring:
        advice.append(f"{expiring} secret(s) expire within 30 days: `holdfast expiring` names them.")
    if without_policy:
        advice.append(f"{without_policy} secret(s) have no rotation policy: give them one with set or update.")
    return advice


def _on_mirror(fault: str | None, lacking: str | None) -> list[str]:
    mend = "`holdfast doctor` says what it takes, `holdfast sync` tries again"
    advice = [f"{fault.rstrip('.')}: in an outage it answers only what it holds; {mend}."] if fault else []
    if lacking:
        advice.append(f"{lacking}: what was deleted there is not shown here; `holdfast doctor` says if we may list it.")
    return advice


def _on_kept_out(number: int, named: Sequence[KeptOut]) -> list[str]:
    if not number:
        return []
    more = _first_of([f"{each.name} ({each.reason})" for each in named], number)
    mend = "`holdfast reconcile` says why; what the mirror has of them is served on, and they are tried again"
    return [f"{number} name(s) in Key Vault cannot be mirrored{more}: {mend}."]


def _first_of(named: Sequence[str], number: int) -> str:
    """The first names in brackets, of so many that there are."""
    first = named[:_NAMED_IN_ADVICE]
    return f" ({', '.join(first)}{', …' if number > len(first) else ''})" if first else ""


def _on_rotations(overdue: Sequence[RotationSchedule]) -> list[str]:
    advice = []
    failing = sum(each.failures > 0 for each in overdue)
    asking = sum(each.requested_at is not None and each.approved_by is None for each in overdue)
    if failing:
        advice.append(f"{failing} rotation(s) that are due fail: `holdfast rotation list` says why.")
    if asking:
        advice.append(f"{asking} rotation(s) that are due ask for approval: `holdfast rotation list` names them.")
    return advice


def _on_stuck(stuck: Sequence[RotationRun], named: Sequence[SecretName]) -> list[str]:
    if not stuck:
        return []
    mend = "`holdfast rotation show NAME` says why; mend it, and `holdfast rotation resume NAME` tries at once"
    return [f"{len(stuck)} rotation(s) under way fail again and again{_first_of(named, len(stuck))}: {mend}."]


def _on_laggards(late: Sequence[Laggard], named: Sequence[Laggard]) -> list[str]:
    if not late:
        return []
    more = _first_of([f"{each.user_id} of {each.secret_name}" for each in named], len(late))
    mend = "have them fetch anew, or revoke it with `holdfast rotation retire`"
    return [f"{len(late)} consumer(s) still use a credential that a rotation replaced{more}: {mend}."]


def _on_work(failing: Sequence[FailingWork]) -> list[str]:
    mend = "it is tried again by itself; the log of the node has the whole of it"
    return [f"{each.work} fails since {each.since:%Y-%m-%d %H:%M} UTC ({each.reason}): {mend}." for each in failing]


def _on_notices(dead: int) -> list[str]:
    mend = "`holdfast notices list --state dead` says why, `notices retry` sends them, `notices discard` gives them up"
    return [f"{dead} notice(s) reached no one: {mend}."] if dead else []


def _on_dates(beyond: int) -> list[str]:
    """A time in milliseconds where seconds belong is the usual reason."""
    mend = "they are served, but nobody is reminded of it: set their expiry anew"
    return [f"{beyond} secret(s) expire in Key Vault at a time that no date can hold: {mend}."] if beyond else []


def _on_replication(journal: JournalStatus, drifting: int) -> list[str]:
    advice = []
    if journal.stuck:
        advice.append(
            f"{journal.stuck} change(s) have been tried in vain for over five minutes: `holdfast reconcile` says why."
        )
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


def _on_identities(refused: int) -> list[str]:
    mend = "the log names them; find out who changed them in the database, then remove them and make them anew"
    return [f"{refused} identity(s) are not as Holdfast left them, and not let in: {mend}."] if refused else []


def _on_rules(ignored: int) -> list[str]:
    mend = "the log names them; find out who wrote them, and delete them"
    return [f"{ignored} rule(s) were not made by Holdfast and are ignored: {mend}."] if ignored else []


def _on_emergencies(emergencies: EmergencyTotals) -> list[str]:
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


def _on_backends(backends: Sequence[BackendHealth]) -> list[str]:
    return [_on_backend(each) for each in backends if each.configured and not each.healthy]


def _on_backend(backend: BackendHealth) -> str:
    why = f" ({backend.detail})" if backend.name == "postgresql" and backend.detail else ""
    return f"{backend.name} is down{why}: {_WHILE_DOWN[backend.name]}"
