"""The quota under virtual time."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from holdfast.resilience.quota import BACKGROUND_SHARE, KEY_VAULT_LIMITS, Quota, QuotaKind
from tests.support.clock import VirtualClock

CREATE, OTHER = QuotaKind.CREATE, QuotaKind.OTHER


def take_all(quota: Quota, *, background: bool) -> int:
    taken = 0
    while not quota.try_acquire(CREATE, background=background):
        taken += 1
    return taken


def test_key_vault_limits() -> None:
    assert KEY_VAULT_LIMITS == {CREATE: 300, OTHER: 4000}


def test_background_leaves_room_for_the_foreground() -> None:
    quota = Quota(VirtualClock())
    assert take_all(quota, background=True) == 210
    assert take_all(quota, background=False) == 90
    assert quota.try_acquire(OTHER, background=True) == 0.0


async def test_a_full_window_waits_until_the_oldest_call_leaves_it() -> None:
    clock = VirtualClock()
    quota = Quota(clock, {CREATE: 2})
    await quota.acquire(CREATE, background=False)
    clock.move(4)
    await quota.acquire(CREATE, background=False)
    waiting = asyncio.create_task(quota.acquire(CREATE, background=False))
    await clock.advance(5.9)
    assert not waiting.done()
    await clock.advance(0.2)
    assert waiting.done()


def test_a_throttled_background_halves_and_recovers() -> None:
    clock = VirtualClock()
    quota = Quota(clock)
    for _ in range(5):
        quota.throttled(CREATE)  # one burst is one signal
    assert take_all(quota, background=True) == 105
    clock.move(20)
    assert take_all(quota, background=True) == 135
    clock.move(10_000)
    assert take_all(quota, background=True) == 210


def test_a_vault_that_throttles_for_ever_still_sees_some_background() -> None:
    clock = VirtualClock()
    quota = Quota(clock)
    for _ in range(50):
        clock.move(10)
        quota.throttled(CREATE)
    clock.move(10)
    assert 1 <= take_all(quota, background=True) <= 45


@given(st.lists(st.tuples(st.floats(0, 6), st.booleans(), st.booleans()), max_size=80))
def test_no_window_ever_holds_more_than_the_limit(steps: list[tuple[float, bool, bool]]) -> None:
    clock = VirtualClock()
    limit = 10
    quota = Quota(clock, {CREATE: limit})
    went: list[tuple[float, bool]] = []
    for pause, background, throttled in steps:
        clock.move(pause)
        if throttled:
            quota.throttled(CREATE)
        for _ in range(4):
            wait = quota.try_acquire(CREATE, background=background)
            assert 0.0 <= wait <= 10.0 + 1e-6
            if not wait:
                went.append((clock.monotonic(), background))
    for at, _ in went:
        window = [background for other, background in went if at <= other < at + 10 - 1e-6]
        assert len(window) <= limit
        assert sum(window) <= limit * BACKGROUND_SHARE


async def test_waiters_in_the_background_all_get_through_in_time() -> None:
    clock = VirtualClock(auto=True)
    quota = Quota(clock)
    for _ in range(1000):
        await quota.acquire(CREATE, background=True)
    assert 40 <= clock.monotonic() <= 41


def test_i12_nodes_divide_the_background_share_and_leave_the_foreground_alone() -> None:
    clock = VirtualClock()
    quota = Quota(clock, {QuotaKind.CREATE: 300})
    quota.share_among(3)
    taken = 0
    while quota.try_acquire(QuotaKind.CREATE, background=True) == 0.0:
        taken += 1
    assert taken == 70
    assert quota.try_acquire(QuotaKind.CREATE, background=False) == 0.0
    quota.share_among(0)
    assert quota.try_acquire(QuotaKind.CREATE, background=True) == 0.0
