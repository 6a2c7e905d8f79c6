"""Long passes in memory leave room for other tasks."""

import asyncio

from holdfast.resilience.tasks import SLICE, unhurried


async def test_i14_others_run_between_the_slices_of_a_long_pass() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other())
    assert [item async for item in unhurried(range(10 * SLICE))] == list(range(10 * SLICE))
    assert turns >= 10
    beside.cancel()
