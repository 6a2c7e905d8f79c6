"""What the state of rotations, intents and backends says that people are to be told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from holdfast.domain.intent import Intent, IntentKind
from holdfast.domain.keys import SEAL_ALARM, KeyState, KeyStatus
from holdfast.domain.names import SecretName
from holdfast.domain.notices import Topic
from holdfast.domain.rotation import Consumer, Phase, RotationRun, Trigger
from holdfast.ports import BackendHealth, NodeRecord, NodeRing, StreamState
from holdfast.service.notices.events import on_clock, on_keys, on_outages, on_parked, on_run, on_streams

NOW = datetime(2026, 3, 1, tzinfo=UTC)
RUN = RotationRun(
    id=UUID(int=7),
    name=SecretName("api-key"),
    incarnation=UUID(int=1),
    phase=Phase.CURRENT,
    handler="random",
    trigger=Trigger.SCHEDULE,
    requested_by="system",
    from_version=1,
    version=2,
    promoted_at=NOW,
)
FROZEN = [Consumer(user_id="frozen-app", version=1, last_seen=NOW)]


def node(**down_for: timedelta) -> NodeRecord:
    backends = [
        BackendHealth(name=name, configured=True, healthy=False, down_since=NOW - since)
        for name, since in down_for.items()
    ]
    return NodeRecord(
        id=uuid4(), name="a:1", release="1", schema_version=1, started_at=NOW, seen_at=NOW, backends=backends
    )


def test_consumers_that_lag_are_named_and_named_again() -> None:
    assert on_run(RUN, FROZEN, NOW + timedelta(hours=23)) == []
    (first,), (again,) = (on_run(RUN, FROZEN, NOW + timedelta(days=days)) for days in (1, 8))
    assert (first.topic, first.facts["consumers"], first.facts["number"]) == (
        Topic.ROTATION_LAGGARDS,
        "frozen-app",
        "1",
    )
    assert first.id != again.id
    assert on_run(RUN, (), NOW + timedelta(days=8)) == []


def test_a_step_that_fails_is_one_event_however_often_it_fails_and_its_error_stays_here() -> None:
    failing = replace(RUN, phase=Phase.APPLIED, last_error="login as s3cr3t failed", attempts=2)
    (event,), (later,) = on_run(failing, (), NOW), on_run(replace(failing, attempts=9), (), NOW)
    assert event == later
    assert "s3cr3t" not in str(event)
    assert on_run(replace(failing, phase=Phase.TESTED), (), NOW)[0].id != event.id


def test_a_step_that_still_fails_after_days_is_told_of_again() -> None:
    failing = replace(RUN, phase=Phase.APPLIED, last_error="no", started_at=NOW)
    ids = {on_run(failing, (), NOW + timedelta(days=days))[0].id for days in (0, 1, 5, 7, 29, 30, 90)}
    assert len(ids) == 4


def test_a_change_parked_again_is_told_of_again() -> None:
    intent = Intent(
        id=UUID(int=3),
        sequence=1,
        incarnation=UUID(int=1),
        name=RUN.name,
        display_name="Api-Key",
        kind=IntentKind.SET,
        attempts=1,
    )
    assert on_parked(intent).subject == "Api-Key"
    assert on_parked(intent).id == on_parked(replace(intent, last_error="x")).id
    assert on_parked(intent).id != on_parked(replace(intent, attempts=2)).id


def test_an_outage_that_many_nodes_see_is_one_event_dated_by_the_first() -> None:
    seen = [node(keyvault=timedelta(minutes=6)), node(keyvault=timedelta(minutes=9), redis=timedelta(minutes=4))]
    (event,) = on_outages(seen, NOW)
    assert (event.topic, event.subject) == (Topic.BACKEND_DOWN, "keyvault")
    assert event.facts["since"] == (NOW - timedelta(minutes=9)).isoformat()


def test_a_key_that_has_sealed_a_lot_or_that_a_node_lacks_is_an_alarm() -> None:
    key = KeyStatus(key_id="0123456789abcdef", state=KeyState.ACTIVE)
    rings = [NodeRing(node=uuid4(), name=f"n:{number}", keys=[key.key_id], sealing=key.key_id) for number in range(3)]
    assert on_keys([key], rings) == []
    (worn,) = on_keys([replace(key, sealed=SEAL_ALARM)], rings)
    assert worn.id == on_keys([replace(key, sealed=SEAL_ALARM + 9)], rings)[0].id
    silent, without = replace(rings[0], keys=[], sealing=None), replace(rings[1], keys=[])
    (lacking,) = on_keys([key], [silent, without, rings[2]])
    assert (lacking.topic, lacking.facts["nodes"]) == (Topic.KEYS, "n:1")
    assert on_keys([replace(key, state=KeyState.RETIRED)], [without]) == []


def test_a_stream_of_the_audit_trail_that_is_stuck_is_one_alarm() -> None:
    stream = StreamState(
        name="records to siem",
        kind="records",
        delivered=9,
        waiting=1,
        delivered_at=NOW - timedelta(minutes=16),
        failed_at=NOW - timedelta(minutes=1),
        last_error="no answer",
    )
    (event,) = on_streams([stream], NOW)
    assert (event.topic, event.facts["stream"]) == (Topic.AUDIT_ALARM, "records to siem")
    assert on_streams([replace(stream, failed_at=NOW, waiting=5)], NOW)[0].id == event.id
    for fine in (
        replace(stream, waiting=0),
        replace(stream, failed_at=None),
        replace(stream, failed_at=NOW - timedelta(hours=1)),
        replace(stream, delivered_at=NOW - timedelta(minutes=9)),
    ):
        assert on_streams([fine], NOW) == []
    assert len(on_streams([replace(stream, delivered_at=None)], NOW)) == 1


def test_a_degraded_audit_trail_is_an_alarm_of_its_own() -> None:
    assert [each.topic for each in on_outages([node(audit=timedelta(hours=1))], NOW)] == [Topic.AUDIT_DEGRADED]


def test_a_clock_that_is_not_believed_is_told_of_once() -> None:
    assert on_clock(None) == []
    (first,), (same,), (other,) = map(on_clock, ("went back by 9 s", "went back by 9 s", "jumped ahead by 9 s"))
    assert (first.topic, first.subject, first.facts["found"]) == (Topic.INTEGRITY, "clock", "went back by 9 s")
    assert first.id == same.id != other.id
