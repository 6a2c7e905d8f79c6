"""The breaker against its table and, under virtual time, against its rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import CircuitOpen
from holdfast.resilience.breaker import Admission, CircuitBreaker
from tests.support.clock import VirtualClock


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

    def call(self, *, success: bool | None = True, reluctant: bool = False) -> None:
        """Make a call that ends well, or fails, or (None) ends without proving either."""
        self.breaker.admit(reluctant=reluctant).report(success=success)

    def open(self) -> None:
        for _ in range(5):
            self.call(success=False)
        assert self.breaker.state == "open"


def test_five_failures_in_a_row_open() -> None:
    bench = Bench()
    for _ in range(4):
        bench.call(success=False)
    assert bench.breaker.state == "closed"
    bench.call(success=False)
    assert bench.breaker.state == "open"
    assert bench.breaker.opened_at == bench.clock.monotonic()
    with pytest.raises(CircuitOpen, match="Circuit breaker is OPEN"):
        bench.call()


def test_an_answer_in_between_begins_the_count_anew() -> None:
    bench = Bench()
    for _ in range(3):
        for _ in range(4):
            bench.call(success=False)
        bench.call()
    assert bench.breaker.state == "closed"


def test_what_proves_nothing_is_neither_failure_nor_health() -> None:
    bench = Bench()
    for _ in range(4):
        bench.call(success=False)
    for _ in range(10):
        bench.call(success=None)
    assert bench.breaker.state == "closed"
    bench.call(success=False)
    assert bench.breaker.state == "open"


def test_stays_open_for_its_time_then_one_probe_closes() -> None:
    bench = Bench()
    bench.open()
    bench.clock.move(0.9)
    with pytest.raises(CircuitOpen):
        bench.call()
    bench.clock.move(0.1)
    probe = bench.breaker.admit()
    assert bench.breaker.state == "half-open"
    with pytest.raises(CircuitOpen):
        bench.call()
    probe.report(success=True)
    assert bench.breaker.state == "closed"
    assert bench.breaker.opened_at is None
    assert bench.moves == ["closed>open", "open>half-open", "half-open>closed"]


@pytest.mark.parametrize("success", [False, None])
def test_each_probe_without_success_opens_again_for_twice_the_time_up_to_a_minute(success: bool | None) -> None:
    bench = Bench()
    bench.open()
    for open_s in (1, 2, 4, 8, 16, 32, 60, 60):
        bench.clock.move(open_s - 0.5)
        with pytest.raises(CircuitOpen):
            bench.call()
        bench.clock.move(0.5)
        bench.call(success=success)
        assert bench.breaker.state == "open"
    bench.clock.move(60)
    bench.call()
    bench.open()
    bench.clock.move(1)
    bench.call()
    assert bench.breaker.state == "closed"


def test_a_hanging_probe_times_out_and_its_late_success_is_not_heard() -> None:
    bench = Bench(probe_timeout_s=10)
    bench.open()
    bench.clock.move(1)
    probe = bench.breaker.admit()
    bench.clock.move(10)
    assert bench.breaker.state == "open"
    assert bench.breaker.opened_at == 11
    probe.report(success=True)
    assert bench.breaker.state == "open"
    bench.clock.move(2)
    bench.call()
    assert bench.breaker.state == "closed"


def test_a_late_success_of_a_call_begun_before_opening_does_not_close() -> None:
    bench = Bench()
    late = bench.breaker.admit()
    bench.open()
    late.report(success=True)
    assert bench.breaker.state == "open"


def test_a_late_failure_of_an_earlier_era_does_not_count() -> None:
    bench = Bench(failure_threshold=1)
    late = bench.breaker.admit()
    bench.call(success=False)
    bench.clock.move(1)
    bench.call()
    late.report(success=False)
    assert bench.breaker.state == "closed"


def test_a_reluctant_attempt_leaves_the_probe_to_others_a_second_longer() -> None:
    bench = Bench()
    bench.open()
    bench.clock.move(1.9)
    with pytest.raises(CircuitOpen):
        bench.call(reluctant=True)
    bench.clock.move(0.1)
    bench.call(reluctant=True)
    assert bench.breaker.state == "closed"


def test_a_call_that_is_only_watched_passes_an_open_breaker_and_decides_nothing_there() -> None:
    bench = Bench()
    bench.open()
    bench.breaker.watch().report(success=False)
    assert bench.breaker.state == "open"
    bench.clock.move(1)
    bench.breaker.admit()
    bench.breaker.watch().report(success=True)
    assert bench.breaker.state == "closed"


STEPS = st.lists(st.sampled_from(["good", "bad", "neither", "wait", "begin", "end-good", "end-bad"]), max_size=60)


@given(STEPS)
def test_rules_hold_for_any_history(steps: list[str]) -> None:
    """No call passes while open, at most one while half-open, and only a call of the present era can close."""
    bench = Bench(probe_timeout_s=30)
    ends = {"good": True, "bad": False, "neither": None, "end-good": True, "end-bad": False}
    running: list[Admission] = []
    for step in steps:
        before, opened_at = bench.breaker.state, bench.breaker.opened_at
        may_pass = before == "closed" or (
            before == "open" and opened_at is not None and bench.clock.monotonic() - opened_at >= 60
        )
        must_wait = before == "half-open" or (
            before == "open" and opened_at is not None and bench.clock.monotonic() - opened_at < 1
        )
        passed = True
        if step == "wait":
            bench.clock.move(21)
            continue
        if step.startswith("end"):
            if running:
                running.pop(0).report(success=ends[step])
            continue
        try:
            admission = bench.breaker.admit()
        except CircuitOpen:
            passed = False
        else:
            if step == "begin":
                running.append(admission)
            else:
                admission.report(success=ends[step])
        assert passed or not may_pass
        assert not (passed and must_wait)
        if before == "open" and passed and step == "good":
            assert bench.breaker.state == "closed"


def test_a_probe_that_hangs_has_failed_for_whoever_looks_asks_or_reports_first() -> None:
    for first in ("look", "ask", "report", "since when"):
        bench = Bench()
        bench.open()
        bench.clock.move(1)
        probe = bench.breaker.admit()
        bench.clock.move(10)
        if first == "look":
            assert bench.breaker.state == "open"
        elif first == "since when":
            assert bench.breaker.opened_at == bench.clock.monotonic()
        elif first == "ask":
            with pytest.raises(CircuitOpen) as refused:
                bench.breaker.admit()
            assert refused.value.certain
        else:
            probe.report(success=True)
        assert bench.breaker.state == "open", first
        bench.clock.move(1.9)
        with pytest.raises(CircuitOpen):
            bench.breaker.admit()
        bench.clock.move(0.1)
        bench.call()
        assert bench.breaker.state == "closed", first
