import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import InvalidInput
from holdfast.keyvault_wire.paging import SkipTokens
from holdfast.keyvault_wire.query import parse_query

TOKENS = SkipTokens(lambda: [bytes(32)])


@pytest.mark.parametrize(
    "version",
    [
        *("2016-10-01", "7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "7.6-preview.2"),
        *("2025-06-01-preview", "2025-07-01", "2026-04-01", "2026-07-01-preview"),
    ],
)
def test_versions_in_use_are_accepted(version: str) -> None:
    assert parse_query(f"api-version={version}".encode()).api_version == version


@pytest.mark.parametrize(
    "version", ["1.0", "7.7", "7.4x", "2024-01-01", "2016-10-02", "9.9", "", "2026-13-01", "%D9%A7.4"]
)
def test_other_versions_are_refused_with_one_that_works(version: str) -> None:
    with pytest.raises(InvalidInput, match="2026-04-01") as refused:
        parse_query(f"api-version={version}".encode())
    assert refused.value.field == "api-version"


def test_a_percent_encoded_parameter_name_counts() -> None:
    assert parse_query(b"api%2Dversion=7.4").api_version == "7.4"


def test_unknown_parameters_are_ignored() -> None:
    assert parse_query(b"api-version=7.4&outContentType=PEM&x").api_version == "7.4"


@pytest.mark.parametrize("size", ["0", "26", "abc", "-1", "", "1.0", "+1", "%D9%A1", "999999999999"])
def test_page_sizes_outside_1_to_25_are_refused(size: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_query(f"api-version=7.4&maxresults={size}".encode())
    assert refused.value.field == "maxresults"


@pytest.mark.parametrize("raw", [b"api-version=7.4&api-version=7.3", b"&".join([b"a=1"] * 40)])
def test_ambiguous_or_endless_queries_are_refused(raw: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_query(raw)


def test_the_default_page_holds_25() -> None:
    assert parse_query(b"api-version=7.4").page_size == 25
    assert parse_query(b"api-version=7.4&maxresults=3").page_size == 3


@given(st.text(alphabet="abcXYZ019-", min_size=1, max_size=127))
def test_a_token_gives_back_its_position_and_fits_in_a_url(position: str) -> None:
    token = TOKENS.encode("secrets", position)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)
    assert TOKENS.decode("secrets", token) == position


@given(st.text(max_size=60))
def test_no_text_passes_for_a_token(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        TOKENS.decode("secrets", text)
    assert refused.value.field == "$skiptoken"


@pytest.mark.parametrize("index", range(0, 40, 3))
def test_a_changed_token_is_refused(index: int) -> None:
    token = TOKENS.encode("secrets", "a-name-of-some-length")
    changed = token[:index] + ("A" if token[index] != "A" else "B") + token[index + 1 :]
    with pytest.raises(InvalidInput):
        TOKENS.decode("secrets", changed)


def test_a_token_belongs_to_one_listing_and_one_key() -> None:
    token = TOKENS.encode("secrets", "a")
    with pytest.raises(InvalidInput):
        TOKENS.decode("deletedsecrets", token)
    with pytest.raises(InvalidInput):
        SkipTokens(lambda: [b"\1" * 32]).decode("secrets", token)


def test_i16_a_token_outlives_a_change_of_the_key_that_makes_it() -> None:
    keys = [b"\1" * 32, b"\2" * 32]
    tokens = SkipTokens(lambda: keys)
    before = tokens.encode("secrets", "k")
    keys.reverse()
    assert tokens.decode("secrets", before) == "k"
    assert SkipTokens(lambda: keys[:1]).decode("secrets", tokens.encode("secrets", "k")) == "k"
