"""The breaker against its table and, under virtual time, against its rules."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import (
    BackendRefused,
    BackendUnavailable,
    CircuitOpen,
    HoldfastError,
    OutcomeUnknown,
    Rejected,
    SecretDeleted,
    SecretDisabled,
    SecretNotFound,
    Throttled,
    TransitionPending,
)
from holdfast.resilience.breaker import CircuitBreaker
from tests.support.clock import VirtualClock

FAILURES = (BackendUnavailable, BackendRefused, Throttled, OutcomeUnknown)
ANSWERS = (SecretNotFound, SecretDisabled, SecretDeleted, TransitionPending, Rejected)


class Bench:
    """A breaker, its clock and its transitions."""

    def __init__(self, **options: float) -> None:
        self.clock = VirtualClock()
        self.moves: list[str] = []
        self.breaker = CircuitBreaker(
            "the vault",
            self.clock.monotonic,
            on_transition=lambda old, new: self.moves.append(f"{old}>{new}"),
            **options,  # type: ignore[arg-type]
        )

    def call(self, error: BaseException | None = None, *, reluctant: bool = False) -> None:
        """Make a call that ends with ``error``; only a refusal by the breaker is raised."""
        attempt = self.breaker.attempt(reluctant=reluctant)
        attempt.__enter__()
        assert not attempt.__exit__(type(error) if error else None, error, None), "errors must come through"

    def open(self) -> None:
        for _ in range(5):
            self.call(BackendUnavailable("down"))
        assert self.breaker.state == "open"


@pytest.mark.parametrize("kind", FAILURES)
def test_five_failures_in_a_row_open(kind: Callable[[str], HoldfastError]) -> None:
    bench = Bench()
    for _ in range(4):
        bench.call(kind("down"))
    assert bench.breaker.state == "closed"
    bench.call(kind("down"))
    assert bench.breaker.state == "open"
    assert bench.breaker.opened_at == bench.clock.monotonic()
    with pytest.raises(CircuitOpen, match="Circuit breaker is OPEN"):
        bench.call()


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_is_health(kind: Callable[[str], HoldfastError]) -> None:
    bench = Bench()
    for _ in range(3):
        for _ in range(4):
            bench.call(BackendUnavailable("down"))
        bench.call(kind("no"))
    assert bench.breaker.state == "closed"


def test_cancellation_is_neither_failure_nor_health() -> None:
    bench = Bench()
    for _ in range(4):
        bench.call(BackendUnavailable("down"))
    for _ in range(10):
        bench.call(asyncio.CancelledError())
        bench.call(RuntimeError("a fault of ours"))
    assert bench.breaker.state == "closed"
    bench.call(BackendUnavailable("down"))
    assert bench.breaker.state == "open"


def test_stays_open_for_its_time_then_one_probe_closes() -> None:
    bench = Bench()
    bench.open()
    bench.clock.move(59.9)
    with pytest.raises(CircuitOpen):
        bench.call()
    bench.clock.move(0.1)
    with bench.breaker.attempt():
        assert bench.breaker.state == "half-open"
        with pytest.raises(CircuitOpen):
            bench.call()
    assert bench.breaker.state == "closed"
    assert bench.breaker.opened_at is None
    assert bench.moves == ["closed>open", "open>half-open", "half-open>closed"]


@pytest.mark.parametrize("end", [BackendUnavailable("down"), asyncio.CancelledError(), RuntimeError("ours")])
def test_a_probe_without_success_opens_again_for_the_full_time(end: BaseException) -> None:
    bench = Bench()
    bench.open()
    bench.clock.move(60)
    bench.call(end)
    assert bench.breaker.state == "open"
    bench.clock.move(59)
    with pytest.raises(CircuitOpen):
        bench.call()
    bench.clock.move(1)
    bench.call()
    assert bench.breaker.state == "closed"


def test_a_hanging_probe_times_out_and_its_late_success_is_not_heard() -> None:
    bench = Bench(probe_timeout_s=10)
    bench.open()
    bench.clock.move(60)
    with bench.breaker.attempt():
        bench.clock.move(10)
        assert bench.breaker.state == "open"
        assert bench.breaker.opened_at == 70
    assert bench.breaker.state == "open"
    bench.clock.move(60)
    bench.call()
    assert bench.breaker.state == "closed"


def test_a_late_success_of_a_call_begun_before_opening_does_not_close() -> None:
    bench = Bench()
    with bench.breaker.attempt():
        bench.open()
    assert bench.breaker.state == "open"


def test_a_late_failure_of_an_earlier_era_does_not_count() -> None:
    bench = Bench(failure_threshold=1)
    late = bench.breaker.attempt()
    late.__enter__()
    bench.call(BackendUnavailable("down"))
    bench.clock.move(60)
    bench.call()
    late.__exit__(BackendUnavailable, BackendUnavailable("late"), None)
    assert bench.breaker.state == "closed"


def test_a_reluctant_attempt_leaves_the_probe_to_others_for_one_more_period() -> None:
    bench = Bench()
    bench.open()
    bench.clock.move(119)
    with pytest.raises(CircuitOpen):
        bench.call(reluctant=True)
    bench.clock.move(1)
    bench.call(reluctant=True)
    assert bench.breaker.state == "closed"


def test_counts_may_excuse_a_failure() -> None:
    breaker = CircuitBreaker("the vault", lambda: 0.0, failure_threshold=1)
    with pytest.raises(Throttled), breaker.attempt(lambda error: not isinstance(error, Throttled)):
        raise Throttled("later")
    assert breaker.state == "closed"


STEPS = st.lists(
    st.sampled_from(["good", "bad", "cancel", "answer", "wait", "begin", "end-good", "end-bad"]), max_size=60
)


@given(STEPS)
def test_rules_hold_for_any_history(steps: list[str]) -> None:
    """No call passes while open, at most one while half-open, and only a call of the present era can close."""
    bench = Bench(probe_timeout_s=30)
    errors = {"bad": BackendUnavailable("x"), "cancel": asyncio.CancelledError(), "answer": SecretNotFound("x")}
    running = []
    for step in steps:
        before, opened_at = bench.breaker.state, bench.breaker.opened_at
        may_pass = before == "closed" or (
            before == "open" and opened_at is not None and bench.clock.monotonic() - opened_at >= 60
        )
        passed = True
        if step == "wait":
            bench.clock.move(21)
            continue
        try:
            if step == "begin":
                attempt = bench.breaker.attempt()
                attempt.__enter__()
                running.append(attempt)
            elif step.startswith("end"):
                if running:
                    error = BackendUnavailable("x") if step == "end-bad" else None
                    running.pop(0).__exit__(type(error) if error else None, error, None)
                continue
            else:
                bench.call(errors.get(step))
        except CircuitOpen:
            passed = False
        except BackendUnavailable:
            pass
        assert passed == may_pass
        if before == "open" and passed and step in {"good", "answer"}:
            assert bench.breaker.state == "closed"
