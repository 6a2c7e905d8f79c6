"""When refused clients may come back."""

from itertools import pairwise

from holdfast.web.overload import FIRST_RETURN_S, LAST_RETURN_S, RETURNS_PER_S, Returns
from tests.support.clock import VirtualClock


def test_refused_clients_come_back_in_order_and_evenly() -> None:
    returns = Returns(VirtualClock().monotonic)
    booked = [returns.book() for _ in range(100)]
    assert booked[0] >= FIRST_RETURN_S
    assert [round(later - earlier, 6) for earlier, later in pairwise(booked)] == [1 / RETURNS_PER_S] * 99


def test_nobody_is_asked_to_wait_for_long() -> None:
    returns = Returns(VirtualClock().monotonic)
    assert max(returns.book() for _ in range(100_000)) == LAST_RETURN_S
