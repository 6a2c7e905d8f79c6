"""Retries under virtual time."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import BackendUnavailable, CircuitOpen, HoldfastError, SecretNotFound, Throttled
from holdfast.resilience.retry import RetryBudget, RetryPolicy, retry, sane_pause_s
from tests.support.clock import VirtualClock


class Flaky:
    """Raises the given errors in turn, each after some time, then answers."""

    def __init__(self, clock: VirtualClock, *errors: HoldfastError, takes_s: float = 0.0) -> None:
        self.clock = clock
        self.errors = list(errors)
        self.takes_s = takes_s
        self.remaining: list[float] = []

    async def __call__(self, remaining_s: float) -> str:
        self.remaining.append(remaining_s)
        self.clock.move(self.takes_s)
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def upper(_low: float, high: float) -> float:
    return high


async def test_backs_off_exponentially_and_answers() -> None:
    clock = VirtualClock(auto=True)
    call = Flaky(clock, *[BackendUnavailable("down")] * 3)
    assert await retry(call, policy=RetryPolicy(), clock=clock, uniform=upper) == "answer"
    assert clock.monotonic() == pytest.approx(0.2 + 0.4 + 0.8)
    assert call.remaining == pytest.approx([30, 29.8, 29.4, 28.6])


async def test_gives_up_after_three_retries_with_the_last_error() -> None:
    clock = VirtualClock(auto=True)
    call = Flaky(clock, *[BackendUnavailable(str(number)) for number in range(9)])
    with pytest.raises(BackendUnavailable, match="3"):
        await retry(call, policy=RetryPolicy(), clock=clock)
    assert len(call.remaining) == 4


@pytest.mark.parametrize("error", [SecretNotFound("no"), CircuitOpen("Circuit breaker is OPEN")])
async def test_does_not_retry_what_cannot_help(error: HoldfastError) -> None:
    clock = VirtualClock(auto=True)
    call = Flaky(clock, error)
    with pytest.raises(type(error)):
        await retry(call, policy=RetryPolicy(), clock=clock)
    assert len(call.remaining) == 1


async def test_never_begins_an_attempt_after_the_deadline() -> None:
    clock = VirtualClock(auto=True)
    call = Flaky(clock, *[BackendUnavailable("slow")] * 9, takes_s=14.8)
    with pytest.raises(BackendUnavailable):
        await retry(call, policy=RetryPolicy(), clock=clock, uniform=upper)
    assert len(call.remaining) == 2
    assert clock.monotonic() < 30


async def test_keeps_to_the_pause_that_the_backend_asks_for() -> None:
    clock = VirtualClock(auto=True)
    await retry(
        Flaky(clock, Throttled("later", retry_after_s=7)), policy=RetryPolicy(), clock=clock, uniform=lambda *_: 0.0
    )
    assert clock.monotonic() == 7


@pytest.mark.parametrize(
    ("asked", "sane"), [(None, None), (-1.0, None), (math.nan, None), (0.0, 0.0), (3.0, 3.0), (math.inf, 9.0)]
)
def test_pauses_are_sane(asked: float | None, sane: float | None) -> None:
    assert sane_pause_s(asked, 9.0) == sane


ERRORS = st.one_of(
    st.just(BackendUnavailable("down")),
    st.floats().map(lambda pause: Throttled("later", retry_after_s=pause)),
)


@given(errors=st.lists(ERRORS, max_size=8), takes_s=st.floats(0, 40))
async def test_time_and_attempts_are_bounded_whatever_happens(errors: list[HoldfastError], takes_s: float) -> None:
    clock = VirtualClock(auto=True)
    call = Flaky(clock, *errors, takes_s=takes_s)
    with contextlib.suppress(BackendUnavailable):
        await retry(call, policy=RetryPolicy(), clock=clock)
    assert len(call.remaining) <= 4
    assert all(remaining > 0 for remaining in call.remaining)
    assert clock.monotonic() <= 30 + takes_s


async def test_i12_a_crowd_retries_a_tenth_and_who_asks_rarely_as_the_policy_says() -> None:
    clock = VirtualClock(auto=True)
    budget = RetryBudget(clock, most=6.0)
    attempts = 0

    async def failing(_: float) -> str:
        nonlocal attempts
        attempts += 1
        raise BackendUnavailable("down")

    async def ask(retries: int = 3) -> None:
        with contextlib.suppress(BackendUnavailable):
            await retry(
                failing, policy=RetryPolicy(retries=retries), clock=clock, budget=budget, uniform=lambda *_: 0.0
            )

    for _ in range(1000):
        await ask()
    assert 1000 + 0.1 * 1000 <= attempts <= 1000 + 0.1 * 1000 + 6
    clock.move(60)
    attempts = 0
    await ask()
    assert attempts == 4


async def test_a_budget_is_spent_on_retries_alone() -> None:
    clock = VirtualClock(auto=True)
    budget = RetryBudget(clock, most=1.0)
    for _ in range(100):
        assert await retry(Flaky(clock), policy=RetryPolicy(), clock=clock, budget=budget) == "answer"
    assert (
        await retry(Flaky(clock, BackendUnavailable("1")), policy=RetryPolicy(), clock=clock, budget=budget) == "answer"
    )
    with pytest.raises(BackendUnavailable, match="2"):
        await retry(Flaky(clock, BackendUnavailable("2")), policy=RetryPolicy(), clock=clock, budget=budget)
