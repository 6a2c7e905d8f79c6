"""PostgreSQL's clock, bent: what is believed of it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import IntegrityFailure, StartupError
from holdfast.ports import ClockAcceptance
from holdfast.stores.postgres.clock import DRIFT, LEEWAY, BelievedClock

START = datetime(2026, 3, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


class World:
    """True time, the clock of the machine next to it, and what is believed."""

    def __init__(self, *, machine_off: timedelta = timedelta()) -> None:
        self.passed_s, self.machine_off = 0.0, machine_off
        self.clock = BelievedClock(lambda: self.passed_s, lambda: self.true + self.machine_off)

    @property
    def true(self) -> datetime:
        return START + timedelta(seconds=self.passed_s)

    def told(self, off: timedelta = timedelta(), *, newest: timedelta | None = None) -> bool:
        """Whether PostgreSQL is believed when its clock is off by this much, and the newest record is by ``newest``."""
        try:
            self.clock.told(self.true + off, None if newest is None else self.true + newest)
        except IntegrityFailure:
            return False
        return True

    def accept(self, number: int, *, now: timedelta = timedelta(), believed: timedelta) -> None:
        """Somebody vouches for a clock that is off by ``now``, where ``believed`` was believed."""
        moment, until_then = self.true + now, self.true + believed
        self.clock.accept(ClockAcceptance(number=number, moment=moment, believed=until_then, accepted_by="alice"))

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


def test_i6_a_clock_that_was_set_back_while_no_node_ran_is_found_out() -> None:
    world = World()
    assert not world.told(newest=HOUR)
    with pytest.raises(StartupError, match=r"behind the newest audit record.*holdfast clock accept"):
        world.clock.check_start()
    assert not world.told(newest=HOUR)  # it is not taken for known meanwhile
    world.accept(1, believed=HOUR)
    assert world.told(newest=HOUR)
    world.clock.check_start()
    assert world.off == timedelta()


@pytest.mark.parametrize("newest", [None, -HOUR, timedelta(), LEEWAY])
def test_a_node_starts_where_no_record_is_ahead(newest: timedelta | None) -> None:
    world = World()
    assert world.told(newest=newest)
    world.clock.check_start()


def test_i6_the_word_for_a_clock_is_good_for_one_time() -> None:
    world = World(machine_off=HOUR)
    assert world.told(HOUR)
    world.machine_off = timedelta()
    assert not world.told()
    world.accept(1, believed=HOUR)
    assert world.told()
    assert world.off == timedelta()
    assert not world.clock.hears_of(1)
    world.passed_s += 600
    assert not world.told(timedelta(minutes=-10))
    assert world.off == timedelta()


def test_i6_the_word_for_another_time_says_nothing() -> None:
    world = World(machine_off=HOUR)
    assert world.told(HOUR)
    world.machine_off = timedelta()
    world.accept(1, now=timedelta(minutes=30), believed=HOUR)  # for a clock that went back by less
    assert not world.told()
    world.accept(2, now=-HOUR, believed=-timedelta(minutes=30))  # an old row, put back
    assert not world.told()
    assert world.off == HOUR


def test_i6_the_word_for_a_clock_counts_where_the_machine_says_the_same() -> None:
    world = World()
    assert world.told()
    world.accept(1, now=-HOUR, believed=timedelta())
    assert not world.told(-HOUR)


def test_a_doubt_has_one_text_for_as_long_as_it_lasts() -> None:
    world = World()
    assert world.told()
    texts = set()
    for step in range(20):
        world.passed_s += 0.5
        assert not world.told(-HOUR + step * SECOND / 10)
        texts.add(world.clock.doubt)
    assert len(texts) == 1
    assert world.told()
    assert world.clock.doubt is None


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
