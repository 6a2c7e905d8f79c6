"""PostgreSQL's clock, bent: what is believed of it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import IntegrityFailure, StartupError
from holdfast.stores.postgres.clock import DRIFT, LEEWAY, BelievedClock

START = datetime(2026, 3, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class World:
    """True time, the clock of the machine beside it, and what is believed."""

    def __init__(self, *, machine_off: timedelta = timedelta()) -> None:
        self.passed_s, self.machine_off = 0.0, machine_off
        self.clock = BelievedClock(lambda: self.passed_s, lambda: self.true + self.machine_off)

    @property
    def true(self) -> datetime:
        return START + timedelta(seconds=self.passed_s)

    def told(self, off: timedelta = timedelta()) -> bool:
        """Whether PostgreSQL is believed when its clock is off by this much."""
        try:
            self.clock.told(self.true + off)
        except IntegrityFailure:
            return False
        return True

    @property
    def off(self) -> timedelta:
        return self.clock.now() - self.true


def test_i6_a_clock_that_goes_back_is_not_believed_and_time_goes_on() -> None:
    world = World()
    assert world.told()
    world.passed_s += 10
    assert not world.told(-timedelta(hours=1))
    assert world.off == timedelta()
    world.passed_s += 3600
    assert not world.told(-timedelta(hours=1))
    assert world.off == timedelta()
    assert world.told()


def test_i6_nor_does_it_go_back_step_by_step() -> None:
    world = World()
    assert world.told()
    believed = 0
    for step in range(1, 1000):
        world.passed_s += 0.5
        believed += world.told(-step * SECOND)
    assert believed == LEEWAY.seconds
    assert world.off >= -LEEWAY - SECOND


def test_a_jump_ahead_is_believed_if_the_machine_s_clock_says_the_same() -> None:
    world = World()
    assert world.told()
    assert not world.told(timedelta(days=400))
    assert world.off == timedelta()
    world.machine_off = timedelta(hours=2)  # the machine stood still for that long, and its NTP has caught up
    assert world.told(timedelta(hours=2))
    assert world.off == timedelta(hours=2)
    assert not world.told()


@pytest.mark.parametrize("off", [timedelta(hours=1), -timedelta(hours=1)])
def test_a_node_does_not_start_between_two_clocks(off: timedelta) -> None:
    world = World()
    assert not world.told(off)
    assert world.off == max(off, timedelta())
    with pytest.raises(StartupError, match=r"more than 30 s apart.*NTP"):
        world.clock.check_start()


def test_a_node_starts_where_the_clocks_agree() -> None:
    world = World(machine_off=LEEWAY / 2)
    assert world.told(-LEEWAY / 2)
    world.clock.check_start()
    assert world.off == -LEEWAY / 2


@given(
    st.lists(st.tuples(st.floats(0, 1000), st.floats(-1e5, 1e5)), max_size=60),
    st.lists(st.integers(0, 59), max_size=10),
)
def test_i6_whatever_postgresql_tells_nothing_comes_back(told: list[tuple[float, float]], asleep: list[int]) -> None:
    """Expired stays expired, but for the leeway; and no time is made up."""
    world = World()
    assert world.told()
    for number, (seconds, off) in enumerate(told):
        world.passed_s += seconds
        if number not in asleep:
            world.told(timedelta(seconds=off))
        allowed = LEEWAY + timedelta(seconds=DRIFT * world.passed_s)
        assert abs(world.off) <= allowed + LEEWAY
