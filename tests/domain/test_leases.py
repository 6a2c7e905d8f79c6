"""Which lease counts for which secret."""

from datetime import timedelta

import pytest

from holdfast.domain.leases import Leases


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("payments-db", 1),
        ("payments-x", 5),
        ("pay", 20),
        ("public-site", 900),
        ("other", 30),
        ("*", 30),
    ],
)
def test_the_most_specific_lease_counts(name: str, expected: float) -> None:
    special = [("pay*", 20), ("payments-*", 5), ("payments-db", 1), ("public-*", 900)]
    leases = Leases(seconds(30), [(pattern, seconds(lease)) for pattern, lease in special])
    assert leases.seconds(name) == expected
    assert (leases.shortest, leases.longest) == (1, 900)


def test_a_lease_for_everything_is_the_new_default() -> None:
    leases = Leases(seconds(30), [("*", seconds(7)), ("a", seconds(60))])
    assert (leases.seconds("b"), leases.seconds("*"), leases.seconds("a")) == (7, 7, 60)


@pytest.mark.parametrize("order", [1, -1])
def test_between_equally_specific_ones_the_shorter_counts(order: int) -> None:
    leases = Leases(seconds(30), [("a*", seconds(9)), ("*b", seconds(3))][::order])
    assert leases.seconds("ab") == 3
