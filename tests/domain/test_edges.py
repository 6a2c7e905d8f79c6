"""Limits to the letter, and small facts that all else stands on."""

import base64
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from msgspec import structs

from holdfast.crypto.binding import bind_place
from holdfast.crypto.keyring import parse_key
from holdfast.domain.assertions import MAX_TERM, credential_name, issuer_address, subject_of_tokens
from holdfast.domain.attributes import EARLIEST, LATEST, is_beyond, seconds_of
from holdfast.domain.audit import AuditQuery, AuditRecord
from holdfast.domain.masking import masked
from holdfast.domain.names import MAX_NAME_LENGTH, canonical_pattern
from holdfast.domain.policy import GROUP_PREFIX, MAX_IDENTITY_LENGTH, canonical_group
from holdfast.domain.secret import MASK, RotationPolicy, SecretValue
from holdfast.errors import InvalidInput
from tests.crypto.support import a_place

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_pattern_has_as_many_letters_as_a_name_and_its_star() -> None:
    longest = "a" * MAX_NAME_LENGTH
    assert canonical_pattern(longest + "*") == longest + "*"
    for wrong in (longest + "a", longest + "a*"):
        with pytest.raises(InvalidInput):
            canonical_pattern(wrong)


def test_a_group_may_be_as_long_as_a_subject_without_its_prefix() -> None:
    longest = "g" * (MAX_IDENTITY_LENGTH - len(GROUP_PREFIX))
    assert canonical_group(longest) == longest
    with pytest.raises(InvalidInput):
        canonical_group(longest + "g")


def test_the_first_and_the_last_date_are_shown() -> None:
    assert not is_beyond(seconds_of(EARLIEST))
    assert not is_beyond(seconds_of(LATEST))
    assert is_beyond(seconds_of(EARLIEST) - 1)
    assert is_beyond(seconds_of(LATEST) + 1)


def test_until_is_not_among_the_records_that_are_asked_for() -> None:
    record = AuditRecord(user_id="a", operation="get", name="n", timestamp=NOW, success=True)
    assert AuditQuery(since=NOW).fits(record)
    assert not AuditQuery(until=NOW).fits(record)


def test_a_key_of_eight_different_bytes_is_taken_and_one_of_seven_is_not() -> None:
    for different, taken in ((8, True), (7, False)):
        text = base64.b64encode(bytes(each % different for each in range(32))).decode()
        if taken:
            assert len(parse_key(text)) == 32
        else:
            with pytest.raises(InvalidInput):
                parse_key(text)


def test_a_disabled_version_is_bound_as_such_for_ever() -> None:
    place = a_place()
    disabled = bind_place(replace(place, attributes=structs.replace(place.attributes, enabled=False)))
    assert disabled == bind_place(place).replace(b"\x01\0\0\0\x07enabled", b"\x01\0\0\0\x08disabled")


def test_every_form_of_a_value_is_masked_also_where_letters_need_no_escape() -> None:
    value = SecretValue('grün "und" blau')
    for form in ('grün "und" blau', 'grün \\"und\\" blau', 'gr\\u00fcn \\"und\\" blau', "gr%C3%BCn%20%22und%22%20blau"):
        assert masked(f"it said {form}.", [value]) == f"it said {MASK}."


def test_a_policy_steers_by_its_handler_or_its_options() -> None:
    assert RotationPolicy(interval_days=30, handler="webhook").steers
    assert RotationPolicy(interval_days=30, options={"a": "b"}).steers
    assert not RotationPolicy().steers


@pytest.mark.parametrize("name", ["a", "0", "a.b_c-d", "a" * 63])
def test_a_credential_may_be_called_so(name: str) -> None:
    assert credential_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", ".a", "A", "a b", "a" * 64, "a\n", None])
def test_a_credential_may_not_be_called_so(name: object) -> None:
    with pytest.raises(InvalidInput):
        credential_name(name)


def test_an_issuer_is_an_address_as_tokens_have_it() -> None:
    assert issuer_address("https://issuer.example/v2.0") == "https://issuer.example/v2.0"
    for wrong in (
        "http://issuer.example",
        "https://u@issuer.example",
        "https://a/#b",
        "https://a b",
        "https://",
        "https://[",
        "",
    ):
        with pytest.raises(InvalidInput):
            issuer_address(wrong)


def test_a_subject_has_a_length_and_no_spaces_around() -> None:
    assert subject_of_tokens("s" * MAX_TERM) == "s" * MAX_TERM
    for wrong in ("s" * (MAX_TERM + 1), "", " s", "s ", "sü", 5):
        with pytest.raises(InvalidInput):
            subject_of_tokens(wrong)
