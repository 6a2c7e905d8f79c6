"""Names and limits of identities, groups and tokens."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.identities import (
    identity_kind,
    is_within,
    local_groups,
    new_identity,
    valid_lifetime,
    valid_networks,
    valid_token_description,
)
from holdfast.errors import InvalidInput

WRONG = ["", " app", "app ", "al\u0456ce", "e\u0301", "\u00e9", "a\nb", "system", "SYSTEM", "group:x", "*", "x" * 256]


@pytest.mark.parametrize("name", ["app", "admin", "payments.api@prod", "entra:7f0c", "k8s:system:serviceaccount:a:b"])
def test_ordinary_names(name: str) -> None:
    assert new_identity(name) == name


@pytest.mark.parametrize(
    "name",
    [*WRONG, "operator:root", "Operator:root", None, 7],
)
def test_names_that_nobody_may_have(name: Any) -> None:
    with pytest.raises(InvalidInput):
        new_identity(name)


def test_kinds() -> None:
    assert {identity_kind(each).value for each in ("application", "person")} == {"application", "person"}
    wrong: list[Any] = ["Person", "", None, "robot"]
    for kind in wrong:
        with pytest.raises(InvalidInput):
            identity_kind(kind)


@pytest.mark.parametrize("groups", [["Ops"], ["a b"], [""], ["entra:admins"], ["-a"], ["a" * 64], [None], [7]])
def test_groups_kept_here_have_no_colon_and_one_spelling(groups: list[Any]) -> None:
    with pytest.raises(InvalidInput):
        local_groups(groups)


def test_groups_are_a_bounded_set() -> None:
    assert local_groups(["ops", "ops", "team.a_1-b"]) == {"ops", "team.a_1-b"}
    with pytest.raises(InvalidInput, match="100"):
        local_groups([f"g{number}" for number in range(101)])


@pytest.mark.parametrize("networks", [["10.0.0.1/8"], ["nonsense"], ["10.0.0.0/33"], [""], [10], ["::/0"] * 21])
def test_networks_that_are_none(networks: list[Any]) -> None:
    with pytest.raises(InvalidInput):
        valid_networks(networks)


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("11.1.2.3", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("", False),
        (None, False),
        ("10.1.2.3.4", False),
        ("fe80::1%eth0", False),
    ],
)
def test_what_lies_within(address: str | None, inside: bool) -> None:
    assert is_within(address, valid_networks(["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"])) is inside


@given(st.integers(min_value=0, max_value=2**32 - 1), st.integers(min_value=0, max_value=32))
def test_an_address_lies_in_its_own_network_of_any_length(number: int, length: int) -> None:
    address = ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))
    masked = number >> (32 - length) << (32 - length)
    network = ".".join(str(masked >> shift & 255) for shift in (24, 16, 8, 0)) + f"/{length}"
    assert is_within(address, valid_networks([network]))


@pytest.mark.parametrize(
    "lifetime",
    [timedelta(0), timedelta(seconds=59), timedelta(-1), timedelta(days=366), timedelta.max, timedelta.min, None, 3600],
)
def test_no_lifetime_is_for_ever_or_nothing(lifetime: Any) -> None:
    with pytest.raises(InvalidInput, match="365 days"):
        valid_lifetime("lifetime", lifetime)


def test_descriptions() -> None:
    assert valid_token_description(None) is None
    assert valid_token_description("nightly jobs") == "nightly jobs"
    wrong: list[Any] = ["a\nb", "x" * 201, 7]
    for text in wrong:
        with pytest.raises(InvalidInput):
            valid_token_description(text)
