"""The pause after a fault: one call at a time finds out whether it is over."""

from datetime import timedelta

from holdfast.cache.cooldown import CoolDown


def test_after_a_fault_one_call_per_pause_goes_ahead_until_one_works() -> None:
    now_s = 100.0
    cool_down = CoolDown(timedelta(seconds=5), lambda: now_s)
    assert [cool_down.admits() for _ in range(2)] == [True, True]
    assert cool_down.failed()
    assert not cool_down.failed(), "the second report of a fault is no news"
    now_s = 104.9
    assert not cool_down.admits()
    now_s = 105.0
    assert [cool_down.admits() for _ in range(2)] == [True, False]
    now_s = 110.0  # the probe was cancelled and never reported
    assert [cool_down.admits() for _ in range(2)] == [True, False]
    cool_down.worked()
    assert [cool_down.admits() for _ in range(2)] == [True, True]
