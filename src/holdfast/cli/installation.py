"""Health, status and reconciliation as a person reads them: the verdict first, what to do last."""

from typing import TYPE_CHECKING, Any, Final

from holdfast.cli import output

if TYPE_CHECKING:  # the service takes long to import
    from collections.abc import Sequence

    from holdfast.domain.intent import Intent
    from holdfast.domain.rotation import Laggard
    from holdfast.ports import BackendHealth, Head, KeptOut, NodeRecord
    from holdfast.resilience.supervision import FailingWork
    from holdfast.service.installation.reports import HealthReport
    from holdfast.service.vault.reconciliation import ReconcileReport

BACKEND_COLUMNS: Final = ("BACKEND", "STATE", "SINCE", "READS", "WRITES", "DETAIL")
NODE_COLUMNS: Final = ("NODE", "RELEASE", "SCHEMA", "UP SINCE", "HEARD OF", "TROUBLE")
KEPT_OUT_COLUMNS: Final = ("NOT MIRRORED", "REASON", "SINCE", "ATTEMPTS", "NEXT", "WHY")
WORK_COLUMNS: Final = ("WORK THAT FAILS", "SINCE", "FAILURES", "REASON")
LAGGARD_COLUMNS: Final = ("SECRET", "CONSUMER", "HAS", "CURRENT", "LAST SEEN", "OLD ONE ENDS")
INTENT_COLUMNS: Final = ("NAME", "CHANGE", "VERSION", "SINCE", "ATTEMPTS", "NEXT", "REASON")
DRIFTING_COLUMNS: Final = ("NAME", "DIFFERENCE", "VERSION", "LAST EQUAL")

_PARKED_ADVICE: Final = (
    "Parked changes: they are tried again every hour. Mend the cause and run `holdfast reconcile --retry`, or give up "
    "what waits of a secret with `holdfast reconcile --discard NAME`, so that Key Vault's state of it stands."
)
_DRIFTING_ADVICE: Final = (
    "Differences: the mirror goes on serving. Set a secret anew to bring it back to Key Vault, or delete it here."
)
_KEPT_OUT_ADVICE: Final = (
    "Names that cannot be mirrored: what the mirror has of them is served on. Mend them in Key Vault, or give our "
    "identity the right to read them; they are tried again by themselves, and by `holdfast sync` at once."
)


def health_lines(report: "HealthReport") -> list[str]:
    """A report on health as a person reads it: the verdict first, what to do last."""
    compared = f"last compared {output.moment(report.last_sync)}" if report.last_sync else "not compared yet"
    waiting = f"changes waiting for it: {report.open_intents}"
    if report.oldest_intent_at:
        waiting += f", the oldest since {output.moment(report.oldest_intent_at)}"
    vault = (
        f"{compared}; {waiting}; parked: {report.parked_intents}; secrets that differ: {report.drifting}; "
        f"kept out of the mirror: {report.kept_out}"
    )
    standing_alone = not any(each.name == "keyvault" and each.configured for each in report.backends)
    totals = (
        f"{report.total_secrets}: {report.expired} expired, {report.expiring_soon} expire within 30 days, "
        f"{report.without_rotation_policy} without rotation policy; {report.deleted} more deleted"
    )
    return [
        f"Holdfast is {'well' if report.healthy else 'NOT well'}.",
        "",
        f"Secrets    {totals}",
        f"Key Vault  {'none: this installation stands alone' if standing_alone else vault}",
        "",
        *output.aligned(BACKEND_COLUMNS, map(_backend_row, report.backends)),
        *kept_out_lines(report.kept_out_names),
        *work_lines(report.failing_work),
        *(["", "What to do:"] if report.recommendations else []),
        *(f"  {advice}" for advice in report.recommendations),
    ]


def kept_out_lines(kept_out: "Sequence[KeptOut]") -> list[str]:
    """The names in Key Vault that cannot be mirrored, with the reason of each."""
    return ["", *output.aligned(KEPT_OUT_COLUMNS, map(_kept_out_row, kept_out))] if kept_out else []


def work_lines(failing: "Sequence[FailingWork]") -> list[str]:
    """What the node fails at besides serving."""
    rows = [(each.work, each.since, each.failures, each.reason) for each in failing]
    return ["", *output.aligned(WORK_COLUMNS, rows)] if rows else []


def _kept_out_row(kept: "KeptOut") -> tuple[object, ...]:
    name = kept.name or "(no name)"
    return name, kept.reason, kept.since, kept.attempts, kept.next_attempt_at, kept.detail


def _backend_row(backend: "BackendHealth") -> tuple[object, ...]:
    """A backend in ``BACKEND_COLUMNS``; reads and writes are the states of the circuit breakers."""
    state = ("well" if backend.healthy else "DOWN") if backend.configured else "not configured"
    breakers = backend.breakers or {}
    return backend.name, state, backend.down_since, breakers.get("read"), breakers.get("write"), backend.detail


def status_lines(report: "HealthReport", nodes: "Sequence[NodeRecord]") -> list[str]:
    """Everything on one screen: the installation, and each node with what it has trouble with."""
    checked = f"last looked at {output.moment(report.last_rotation_check)}" if report.last_rotation_check else "never"
    rotations = f"{report.overdue_rotations} overdue, {report.failing_rotations} failing; {checked}"
    late = output.aligned(LAGGARD_COLUMNS, map(_laggard_row, report.laggards)) if report.laggards else []
    running = output.aligned(NODE_COLUMNS, map(_node_row, nodes)) if nodes else ["No node serves at the moment."]
    return [*health_lines(report), "", f"Rotations  {rotations}", *(f"  {line}" for line in late), "", *running]


def _laggard_row(laggard: "Laggard") -> tuple[object, ...]:
    ends = laggard.retire_by or "when all have fetched"
    return (
        *(laggard.secret_name, laggard.user_id, laggard.version, laggard.current_version),
        *(laggard.last_seen, ends),
    )


def status_document(report: "HealthReport", nodes: "Sequence[NodeRecord]") -> dict[str, Any]:
    """The same for scripts."""
    return {"health": report, "nodes": list(nodes)}


def _node_row(node: "NodeRecord") -> tuple[object, ...]:
    trouble = ", ".join(each.name for each in node.backends if each.configured and not each.healthy)
    return node.name, node.release, node.schema_version, node.started_at, node.seen_at, trouble or "none"


def reconcile_lines(report: "ReconcileReport") -> list[str]:
    """What differs from Key Vault."""
    advice = [
        *([_PARKED_ADVICE] if report.parked else []),
        *([_DRIFTING_ADVICE] if report.drifting else []),
        *([_KEPT_OUT_ADVICE] if report.kept_out else []),
    ]
    return [
        *([f"Given up: {report.discarded}"] if report.discarded else []),
        *([f"Tried again: {report.retried}"] if report.retried else []),
        f"Waiting for Key Vault, replayed by themselves while a node runs: {report.open}",
        *_table(INTENT_COLUMNS, [_intent_row(each) for each in report.waiting]),
        f"Parked, because Key Vault refuses them: {len(report.parked)}",
        *_table(INTENT_COLUMNS, [_intent_row(each) for each in report.parked]),
        f"Secrets that differ from Key Vault: {len(report.drifting)}",
        *_table(DRIFTING_COLUMNS, [_drifting_row(each) for each in report.drifting]),
        f"Names in Key Vault that cannot be mirrored: {len(report.kept_out)}",
        *_table(KEPT_OUT_COLUMNS, [_kept_out_row(each) for each in report.kept_out]),
        *(["", "What to do:"] if advice else []),
        *(f"  {each}" for each in advice),
    ]


def reconcile_document(report: "ReconcileReport") -> dict[str, Any]:
    """The same for scripts."""
    return {
        "open": report.open,
        "waiting": [_intent_object(each) for each in report.waiting],
        "parked": [_intent_object(each) for each in report.parked],
        "drifting": [
            {
                "name": each.display_name,
                "difference": each.drift,
                "version": each.version,
                "verified_at": each.verified_at,
            }
            for each in report.drifting
        ],
        "kept_out": list(report.kept_out),
        "conflicts": report.conflicts,
        "retried": report.retried,
        "discarded": report.discarded,
    }


def _table(columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> list[str]:
    return [f"  {line}" for line in output.aligned(columns, rows)] if rows else []


def _intent_object(intent: "Intent") -> dict[str, Any]:
    return {
        "name": intent.display_name,
        "kind": intent.kind,
        "version": intent.version,
        "created_at": intent.created_at,
        "attempts": intent.attempts,
        "next_attempt_at": intent.next_attempt_at,
        "reason": intent.last_error,
    }


def _intent_row(intent: "Intent") -> tuple[object, ...]:
    return tuple(_intent_object(intent).values())


def _drifting_row(head: "Head") -> tuple[object, ...]:
    return head.display_name, head.drift, head.version, head.verified_at
