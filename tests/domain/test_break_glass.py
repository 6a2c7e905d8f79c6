"""Policies, states and patterns of emergency access, by their tables."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.crypto.recovery_codes import ALPHABET, hash_recovery_code, matching_codes, new_recovery_code
from holdfast.domain.break_glass import (
    REQUESTABLE,
    TRANSITIONS,
    EmergencyPolicies,
    EmergencyPolicy,
    EmergencyRequest,
    RequestState,
    RequestStep,
    same_person,
)
from holdfast.domain.names import covers, matches, overlap
from holdfast.domain.policy import Permission
from holdfast.errors import Conflict

START = datetime(2026, 1, 1, tzinfo=UTC)
PATTERNS = st.from_regex(r"[ab]{0,3}\*?[ab]{0,3}", fullmatch=True).filter(bool)
NAMES = st.text("ab", min_size=1, max_size=9)


def request(**facts: object) -> EmergencyRequest:
    return EmergencyRequest(
        **{  # type: ignore[arg-type]  # of several types
            "id": 1,
            "requester": "erin",
            "pattern": "payments-db",
            "permissions": frozenset({Permission.GET}),
            "reason": "because it burns",
            "duration": timedelta(hours=1),
            "approvers": 2,
            "second_factor": False,
            "rotate": True,
            "incarnation": None,
            "state": RequestState.REQUESTED,
            "requested_at": START,
            "open_until": START + timedelta(hours=1),
            **facts,
        }
    )


@given(PATTERNS, PATTERNS, NAMES)
def test_patterns_that_cover_one_name_overlap(one: str, other: str, name: str) -> None:
    assert overlap(one, other) == overlap(other, one)
    if matches(one, name) and matches(other, name):
        assert overlap(one, other)
    if covers(one, other):
        assert overlap(one, other)


@given(PATTERNS, PATTERNS)
def test_patterns_that_overlap_cover_one_name(one: str, other: str) -> None:
    prefixes, suffixes = zip(*(each.partition("*")[::2] for each in (one, other)), strict=True)
    witness = one if "*" not in one else other if "*" not in other else max(prefixes, key=len) + max(suffixes, key=len)
    if overlap(one, other):
        assert matches(one, witness)
        assert matches(other, witness)


@given(st.lists(PATTERNS, max_size=4), PATTERNS, NAMES)
def test_no_request_is_let_off_a_policy_of_a_name_that_it_covers(patterns: list[str], asked: str, name: str) -> None:
    policies = EmergencyPolicies(
        default=EmergencyPolicy(approvers=4, max_duration=timedelta(minutes=5)),
        policies=tuple(
            EmergencyPolicy(
                pattern=pattern,
                approvers=number,
                second_factor=number == 2,
                max_duration=timedelta(minutes=10 - number),
            )
            for number, pattern in enumerate(patterns, 1)
        ),
    )
    found, strictest = policies.of(asked), policies.of(name)
    if matches(asked, name):
        assert found.approvers >= strictest.approvers
        assert found.second_factor >= strictest.second_factor
        assert found.max_duration <= strictest.max_duration
        assert found.rotate >= strictest.rotate


@pytest.mark.parametrize("state", RequestState)
@pytest.mark.parametrize("step", RequestStep)
def test_every_step_is_in_the_table_or_refused(state: RequestState, step: RequestStep) -> None:
    if (state, step) in TRANSITIONS:
        assert request(state=state).advanced(step) is TRANSITIONS[state, step]
    else:
        with pytest.raises(Conflict, match=f"Request 1 is {state}"):
            request(state=state).advanced(step)


def test_what_ended_never_comes_back() -> None:
    left = {before for before, _ in TRANSITIONS}
    assert left == {RequestState.REQUESTED, RequestState.APPROVED}
    assert [step for (_, step), after in TRANSITIONS.items() if after is RequestState.APPROVED] == [RequestStep.APPROVE]
    assert RequestState.REQUESTED not in TRANSITIONS.values()


@given(st.integers(-7200, 7200))
def test_times_count_whether_or_not_somebody_noted_that_they_are_over(seconds: int) -> None:
    now = START + timedelta(hours=1, seconds=seconds)
    waiting = request().at(now)
    assert waiting.state is (RequestState.EXPIRED if seconds >= 0 else RequestState.REQUESTED)
    live = request(state=RequestState.APPROVED, expires_at=START + timedelta(hours=1)).at(now)
    assert live.state is (RequestState.ENDED if seconds >= 0 else RequestState.APPROVED)
    for ended in set(RequestState) - {RequestState.REQUESTED, RequestState.APPROVED}:
        assert request(state=ended, expires_at=START).at(now).state is ended


def test_nothing_to_be_asked_for_hands_out_access_or_destroys() -> None:
    assert not REQUESTABLE & {Permission.GRANT, Permission.APPROVE, Permission.PURGE}


def test_an_operator_is_the_person_of_that_login() -> None:
    assert same_person("operator:erin", "Erin")
    assert not same_person("erin", "erika")


def test_codes_hold_125_bits_and_are_read_as_people_write_them() -> None:
    code = new_recovery_code()
    assert len(code.replace("-", "")) * (len(ALPHABET).bit_length() - 1) == 125
    for written in (code.lower(), code.replace("-", " "), code.replace("-", "").replace("0", "o").replace("1", "I")):
        assert hash_recovery_code(written) == hash_recovery_code(code)
    kept = [hash_recovery_code(new_recovery_code()) or b"", hash_recovery_code(code) or b""]
    assert matching_codes([code], kept) == {2}
    for wrong in (code[:-1], code + "0", "U" * 25, 7, None, b"x", ""):
        assert matching_codes([wrong], kept) == frozenset()
