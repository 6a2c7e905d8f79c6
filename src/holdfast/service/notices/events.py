"""What the state of rotations, intents and backends says that people are to be told.

Error texts stay here: they may quote what a target answered. Who is told looks them up.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from holdfast.domain.intent import Intent
from holdfast.domain.keys import SEAL_ALARM, KeyState, KeyStatus
from holdfast.domain.notices import Event, Topic, nagging
from holdfast.domain.rotation import Consumer, RotationRun
from holdfast.errors import IntegrityFailure
from holdfast.ports import KeptOut, NodeRecord, NodeRing, RotationSchedule, StoredRule, StreamState

GRANT_NOTICE: Final = timedelta(days=7)
"""How long before its end people are told of a rule that was made for four times as long or longer."""

STUCK_FOR: Final = timedelta(minutes=15)
"""How long a stream of the audit trail has failed, or a name was kept out of the mirror, before people are told."""

DOWN_FOR: Final = timedelta(minutes=5)
"""How long a backend is down before people are told."""

_NAMED_AT_MOST: Final = 10


def soon(schedule: RotationSchedule) -> Event:
    """A rotation comes near."""
    return _of_schedule(Topic.ROTATION_SOON, schedule)


def on_schedule(schedule: RotationSchedule, now: datetime) -> list[Event]:
    """What is to be told of a rotation that is due."""
    events = []
    if schedule.requested_at is not None and schedule.approved_by is None:
        events.append(_of_schedule(Topic.ROTATION_APPROVAL, schedule))
    if schedule.failures:
        events.append(_of_schedule(Topic.ROTATION_FAILED, schedule, failures=schedule.failures))
    late = nagging(schedule.next_rotation_at, now)
    if late is not None:
        events.append(_of_schedule(Topic.ROTATION_OVERDUE, schedule, days=late))
    return events


def on_run(run: RotationRun, laggards: Sequence[Consumer], now: datetime) -> list[Event]:
    """What is to be told of a rotation under way."""
    events = []
    if run.last_error is not None:
        days = nagging(run.started_at, now) if run.started_at is not None else None
        facts = {"run": str(run.id), "phase": run.phase.value}
        key = f"{run.id}:{run.phase}" if days is None else f"{run.id}:{run.phase}:{days}"
        events.append(_event(Topic.ROTATION_FAILED, run.name, key, facts))
    late = nagging(run.promoted_at, now) if run.promoted_at is not None and laggards else None
    if late is not None:
        named = [each.user_id for each in laggards[:_NAMED_AT_MOST]]
        facts = {"run": str(run.id), "days": str(late), "number": str(len(laggards)), "consumers": ", ".join(named)}
        events.append(_event(Topic.ROTATION_LAGGARDS, run.name, f"{run.id}:{late}", facts))
    return events


def on_parked(intent: Intent) -> Event:
    """A change that Key Vault refuses. Parked again after another attempt, it is another event."""
    facts = {"change": intent.kind.value, "attempts": str(intent.attempts)}
    return _event(Topic.INTENT_PARKED, intent.display_name, f"{intent.id}:{intent.attempts}", facts)


def on_kept_out(kept_out: Iterable[KeptOut], now: datetime) -> list[Event]:
    """Names in Key Vault that cannot be mirrored for long: one event for the same names, however often it is seen."""
    lasting = sorted(f"{each.name}@{each.since.isoformat()}" for each in kept_out if now - each.since >= STUCK_FOR)
    if not lasting:
        return []
    key = hashlib.sha256("\n".join(lasting).encode()).hexdigest()[:32]
    named = ", ".join(each.rpartition("@")[0] for each in lasting[:_NAMED_AT_MOST])
    return [_event(Topic.KEPT_OUT, "keyvault", key, {"number": str(len(lasting)), "names": named})]


def on_outages(nodes: Iterable[NodeRecord], now: datetime) -> list[Event]:
    """Backends that some node has found down for long: one event for an outage, whatever number of nodes see it."""
    since: dict[str, datetime] = {}
    for node in nodes:
        for each in node.backends:
            if each.configured and not each.healthy and each.down_since is not None:
                since[each.name] = min(each.down_since, since.get(each.name, each.down_since))
    return [_outage(name, began) for name, began in since.items() if now - began >= DOWN_FOR]


def on_ignored_rules(number: int) -> list[Event]:
    """Rules in the database that Holdfast did not make: somebody has edited it."""
    return [_event(Topic.INTEGRITY, "rules", str(number), {"number": str(number)})] if number else []


def on_clock(doubt: str | None) -> list[Event]:
    """PostgreSQL's clock is not believed."""
    if doubt is None:
        return []
    key = hashlib.sha256(doubt.encode()).hexdigest()[:32]
    return [_event(Topic.INTEGRITY, "clock", key, {"found": doubt})]


def on_integrity(error: IntegrityFailure) -> Event:
    """A row that does not read as Holdfast wrote it. The text names what was edited, and no value."""
    key = hashlib.sha256(str(error).encode()).hexdigest()[:32]
    return _event(Topic.INTEGRITY, "database", key, {"found": str(error)})


def on_ending_rule(rule: StoredRule) -> Event:
    """Access that somebody has had for long ends soon."""
    until = rule.expires_at.isoformat() if rule.expires_at is not None else ""
    facts = {"who": rule.subject, "may": ", ".join(rule.terms), "expires_at": until, "granted_by": rule.granted_by}
    return _event(Topic.GRANT_EXPIRING, rule.pattern, f"{rule.kind}:{rule.id}:{until}", facts)


def on_keys(keys: Iterable[KeyStatus], rings: Sequence[NodeRing]) -> list[Event]:
    """Keys that have sealed a lot, or that nodes lack which may have to open what they sealed."""
    events = []
    for key in keys:
        if key.state is KeyState.ACTIVE and key.sealed >= SEAL_ALARM:
            facts = {"summary": "The encryption key has sealed half as often as any may: activate a new one"}
            events.append(_event(Topic.KEYS, key.key_id, "sealed", facts))
        lacking = sorted(ring.name for ring in rings if ring.sealing is not None and key.key_id not in ring.keys)
        if key.state in {KeyState.ACTIVE, KeyState.DRAINING} and lacking:
            named = ", ".join(lacking[:_NAMED_AT_MOST])
            facts = {"summary": "A node lacks an encryption key, and cannot read all secrets", "nodes": named}
            events.append(_event(Topic.KEYS, key.key_id, f"missing:{named}", facts))
    return events


def on_streams(streams: Iterable[StreamState], now: datetime) -> list[Event]:
    """Places that the audit trail does not get to."""
    return [_on_stream(each) for each in streams if _stuck(each, now)]


def _stuck(stream: StreamState, now: datetime) -> bool:
    last = stream.delivered_at
    failing = stream.failed_at is not None and (last is None or stream.failed_at > last)
    return failing and stream.waiting > 0 and (last is None or now - last >= STUCK_FOR)


def _on_stream(stream: StreamState) -> Event:
    since = stream.delivered_at.isoformat() if stream.delivered_at else ""
    facts = {"summary": "The audit trail does not get to a place outside", "stream": stream.name, "since": since}
    return _event(Topic.AUDIT_ALARM, stream.name, since or "never", facts)


def _outage(backend: str, since: datetime) -> Event:
    topic = Topic.AUDIT_DEGRADED if backend == "audit" else Topic.BACKEND_DOWN
    return _event(topic, backend, since.isoformat(), {"since": since.isoformat()})


def _of_schedule(topic: Topic, schedule: RotationSchedule, **facts: int) -> Event:
    due = schedule.next_rotation_at.isoformat()
    step = f":{facts['days']}" if "days" in facts else ""
    return _event(topic, schedule.name, f"{due}{step}", {"due": due, **{key: str(n) for key, n in facts.items()}})


def _event(topic: Topic, subject: str, key: str, facts: dict[str, str]) -> Event:
    return Event(id=f"{topic}:{subject}:{key}", topic=topic, subject=subject, facts=facts)
