"""Dates of any size, and what is carried besides: nothing of it gets lost, nothing of it is invented."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs
from msgspec.structs import replace

from holdfast.domain.attributes import (
    EARLIEST,
    LATEST,
    Attributes,
    VaultFacts,
    carried,
    dated,
    is_beyond,
    nearest_date,
    seconds_of,
    with_carried,
)

numbers = st.integers() | st.integers(-(10**90), 10**90) | st.integers(-(2**63), 2**63 - 1)
MIN_VALUE = -62_135_596_800
"""0001-01-01, which other tools write for "no date"."""


@given(st.none() | numbers, st.none() | numbers)
@example(MIN_VALUE, 253_402_303_861)
@example(253_402_300_799, 253_402_300_800)
@example(0, -1)
def test_key_vaults_seconds_come_back_whatever_they_are(nbf: int | None, exp: int | None) -> None:
    attributes = dated(Attributes(), nbf=nbf, exp=exp)
    assert (attributes.nbf, attributes.exp) == (nbf, exp)
    for moment, seconds, name in (
        (attributes.not_before, nbf, "not_before"),
        (attributes.expires_at, exp, "expires_at"),
    ):
        assert (moment is None) == (seconds is None)
        assert moment is None or EARLIEST <= moment <= LATEST
        assert (name in attributes.clamped) == (seconds is not None and is_beyond(seconds))


@given(numbers)
def test_the_nearest_date_keeps_the_order(seconds: int) -> None:
    assert nearest_date(seconds - 1) <= nearest_date(seconds) <= nearest_date(seconds + 1)
    assert is_beyond(seconds) or seconds_of(nearest_date(seconds)) == seconds


@given(
    st.builds(
        lambda plain, nbf, exp: dated(plain, nbf=nbf, exp=exp),
        st.builds(
            Attributes,
            empty_tags=st.booleans(),
            vault=st.builds(
                VaultFacts,
                managed=st.none() | st.booleans(),
                kid=st.none() | st.text(st.characters(exclude_categories=["Cs"])),
                recovery_level=st.none() | st.just("Recoverable"),
                recoverable_days=st.none() | st.integers(0, 90),
            ),
        ),
        st.none() | numbers,
        st.none() | numbers,
    )
)
def test_what_is_carried_comes_back_with_the_plain_members(attributes: Attributes) -> None:
    plain = Attributes(not_before=attributes.not_before, expires_at=attributes.expires_at)
    again = with_carried(plain, carried(attributes))
    assert {each.name: getattr(again, each.name) for each in structs.fields(again)} == {
        each.name: getattr(attributes, each.name) for each in structs.fields(attributes)
    }


def test_nothing_is_carried_of_what_has_a_member_of_its_own() -> None:
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    assert carried(Attributes(enabled=False, not_before=moment, content_type="a", tags={"a": "b"})) == "{}"


@pytest.mark.parametrize("text", ["", "[]", "null", '{"vault": 7}', '{"expires_at_seconds": "soon"}', "{"])
def test_edited_carriage_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="carried"):
        with_carried(Attributes(), text)


def test_another_date_makes_the_number_void() -> None:
    far = dated(Attributes(), nbf=MIN_VALUE, exp=10**12)
    assert replace(far, enabled=False).exp == 10**12
    assert replace(far, expires_at=None).exp is None
    assert replace(far, expires_at=datetime(1970, 1, 2, tzinfo=UTC)).exp == 86_400
    assert replace(far, expires_at=None).nbf == MIN_VALUE


def test_tags_that_are_there_are_not_empty() -> None:
    assert not Attributes(tags={"a": "b"}, empty_tags=True).empty_tags
    assert Attributes(empty_tags=True) == Attributes()


def test_a_new_value_inherits_neither_dates_nor_what_key_vault_says() -> None:
    old = dated(Attributes(enabled=False, content_type="a", tags={"": "b"}), nbf=1, exp=10**12)
    old = replace(old, vault=VaultFacts(managed=True))
    assert old.inherited == Attributes(content_type="a", tags={"": "b"})
    assert old.inherited.vault == VaultFacts()
    assert replace(old, tags={}, empty_tags=True).inherited.empty_tags


@pytest.mark.parametrize("days", [None, -1, -(10**20), 0, 7, 90, 10**6, 10**12, 10**99])
@pytest.mark.parametrize("deleted_at", [EARLIEST, datetime(2026, 1, 1, 0, 0, 0, 5, tzinfo=UTC), LATEST])
def test_a_deleted_secret_has_a_last_day_whatever_key_vault_says(deleted_at: datetime, days: int | None) -> None:
    retention = timedelta(days=30)
    until = VaultFacts(recoverable_days=days).purged_at(deleted_at, retention)
    kept = retention if days is None or days < 0 else timedelta(days=min(days, 10**7))
    assert until == deleted_at + min(kept, LATEST - deleted_at)


def test_what_is_only_carried_makes_no_difference() -> None:
    plain = Attributes(tags={"a": "b"})
    told = structs.replace(plain, vault=VaultFacts(managed=True))
    other = structs.replace(plain, tags={})
    assert (plain == told, plain != told) == (True, False)
    assert (plain == other, plain != other) == (False, True)
    assert plain != "text"
