"""Judging the audit trail as the database has it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from holdfast.domain.diagnosis import Finding, failure, ok, warning
from holdfast.ports.inspection import AuditFacts

OVERDUE: Final = timedelta(minutes=10)
"""Checkpoints are made every 2 s and waiting records chained every 5 s, wherever a node runs."""

_CHECK: Final = "audit"


def audit_findings(audit: AuditFacts, now: datetime, *, exported: bool) -> list[Finding]:
    """Judge the trail. ``exported``: checkpoints are sent to a place outside the database."""
    found = [*_chains(audit, now), *_streams(audit)]
    if not exported:
        found.append(
            warning(
                _CHECK,
                "Checkpoints stay in the database (HOLDFAST_AUDIT_CHECKPOINTS is not set).",
                why="Whoever can write to the database could rewrite the trail and its checkpoints together.",
                fix="Send them out of its reach: HOLDFAST_AUDIT_CHECKPOINTS=syslog://…, or a file on another machine.",
            )
        )
    last = f"{audit.checkpoint_at:%Y-%m-%d %H:%M} UTC" if audit.checkpoint_at else "none yet"
    return [ok(_CHECK, f"Last checkpoint: {last}; {audit.streams} stream(s)."), *found]


def _chains(audit: AuditFacts, now: datetime) -> Iterator[Finding]:
    if audit.broken:
        yield failure(
            _CHECK,
            f"{audit.broken} chain(s) lack a record above their last checkpoint.",
            why="No checkpoint covers what came after it. The record waits in a node's local log, or was removed.",
            fix="Start every node that was down in an outage; docs/troubleshooting.md, 'The audit trail has a gap'.",
        )
    elif audit.unsigned_since is not None and now - audit.unsigned_since > OVERDUE:
        yield warning(
            _CHECK,
            f"Records since {audit.unsigned_since:%Y-%m-%d %H:%M} UTC are under no checkpoint.",
            why="Until the next one nobody could prove that they were not changed.",
            fix="A running node makes checkpoints every 2 seconds: start one, or look into its log.",
        )
    if audit.outbox_oldest is not None and now - audit.outbox_oldest > OVERDUE:
        yield warning(
            _CHECK,
            f"{audit.outbox} record(s) of changes wait for their place in a chain.",
            why="They are durable, but in no search and under no checkpoint.",
            fix="A running node sees to it within seconds: start one, or look into its log.",
        )


def _streams(audit: AuditFacts) -> Iterator[Finding]:
    for name, reason in audit.failing.items():
        yield warning(
            _CHECK,
            f"The stream {name} fails: {reason}.",
            why="Whoever watches there sees nothing new; records are kept until they are delivered.",
            fix="Mend the receiver; `holdfast audit stream` shows what waits.",
        )
