"""The ladder of reminders: which come, when, and each once."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.names import SecretName
from holdfast.domain.notices import Topic, expiry_plan, ladder, nagging, reached
from holdfast.domain.secret import Attributes, RotationPolicy, SecretSettings, SecretSummary, SecretVersion, State

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def expiring(at: datetime | None, notify_days_before: int | None = None) -> SecretSummary:
    policy = None if notify_days_before is None else RotationPolicy(notify_days_before=notify_days_before)
    version = SecretVersion(
        name=SecretName("api-key"),
        version=3,
        version_id="0" * 32,
        attributes=Attributes(expires_at=at),
        created_at=NOW,
        updated_at=NOW,
    )
    return SecretSummary(
        name=version.name,
        display_name="Api-Key",
        state=State.ACTIVE,
        current=version,
        settings=SecretSettings(rotation_policy=policy),
    )


@pytest.mark.parametrize(
    ("first", "days"),
    [(30, [30, 14, 7, 1, 0]), (14, [14, 7, 1, 0]), (10, [10, 7, 1, 0]), (1, [1, 0]), (0, [0])],
)
def test_reminders_come_closer_together(first: int, days: list[int]) -> None:
    assert ladder(first) == days


def test_a_secret_without_a_policy_is_reminded_of_all_the_same() -> None:
    plan = expiry_plan(expiring(NOW))
    assert [(NOW - each.at).days for each in plan] == [14, 7, 1, 0]
    assert [each.event.topic for each in plan] == [Topic.EXPIRING] * 3 + [Topic.EXPIRED]


def test_what_never_expires_has_no_plan() -> None:
    assert expiry_plan(expiring(None)) == ()


def test_an_expiry_in_the_first_year_of_all_is_no_error() -> None:
    at = datetime.min.replace(tzinfo=UTC)
    told = reached(expiry_plan(expiring(at, 3650)), NOW)
    assert told is not None
    assert told.topic is Topic.EXPIRED


@given(first=st.integers(0, 3650), looks=st.lists(st.integers(-4000 * 24, 400 * 24), min_size=1, max_size=30))
def test_whenever_somebody_looks_each_step_is_one_event_and_the_last_one_counts(first: int, looks: list[int]) -> None:
    plan = expiry_plan(expiring(NOW, first))
    assert len({each.event.id for each in plan}) == len(plan)
    assert [each.at for each in plan] == sorted({each.at for each in plan})
    for hours in looks:
        told = reached(plan, NOW + timedelta(hours=hours))
        passed = [each.event for each in plan if each.at - NOW <= timedelta(hours=hours)]
        assert told == (passed[-1] if passed else None)


def test_another_expiry_is_another_event() -> None:
    before, after = expiry_plan(expiring(NOW)), expiry_plan(expiring(NOW + timedelta(days=30)))
    assert {each.event.id for each in before} & {each.event.id for each in after} == set()


@pytest.mark.parametrize(("hours", "step"), [(0, None), (23, None), (24, 1), (167, 1), (168, 7), (10_000, 30)])
def test_what_stays_undone_is_told_again(hours: int, step: int | None) -> None:
    assert nagging(NOW, NOW + timedelta(hours=hours)) == step
