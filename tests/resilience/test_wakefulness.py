"""A process that stood still knows it, whether or not its own timers ran before what it asks."""

import asyncio

import pytest

from holdfast.resilience.wakefulness import STOOD_STILL_S, Wakefulness


class Bench:
    """A clock that goes on by itself as a machine's does."""

    def __init__(self) -> None:
        self.time, self.wakings = 100.0, 0
        self.awake = Wakefulness(self._woken, lambda: self.time)

    def _woken(self) -> None:
        self.wakings += 1


@pytest.fixture
async def bench() -> Bench:
    return Bench()


async def running(bench: Bench) -> "asyncio.Task[None]":
    task = asyncio.create_task(bench.awake.run())
    await asyncio.sleep(0)
    return task


async def test_a_gap_is_noticed_once_and_by_whoever_looks_first(bench: Bench) -> None:
    task = await running(bench)
    before = bench.awake.look()
    bench.time += STOOD_STILL_S + 1
    assert bench.awake.stood_still_since(before)
    assert bench.awake.stood_still_since(before)
    assert not bench.awake.stood_still_since(bench.awake.look())
    assert bench.wakings == 1
    task.cancel()


async def test_a_busy_second_is_no_gap(bench: Bench) -> None:
    task = await running(bench)
    before = bench.awake.look()
    bench.time += STOOD_STILL_S
    assert not bench.awake.stood_still_since(before)
    task.cancel()


async def test_without_somebody_who_looks_nothing_is_a_gap(bench: Bench) -> None:
    before = bench.awake.look()
    bench.time += 3600
    assert not bench.awake.stood_still_since(before)
    task = await running(bench)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    bench.time += 3600
    assert not bench.awake.stood_still_since(before)
    assert bench.wakings == 0
