"""How tests count the time that something may take, on a machine that is busy with other things."""

import asyncio
import time

import pytest

from tests.support.node import within

BOUND_S = 0.25


async def test_time_without_a_turn_does_not_count() -> None:
    async def starve() -> None:
        for _ in range(4):
            time.sleep(BOUND_S)  # nothing of ours runs, and nothing is worked
            await asyncio.sleep(0)

    starving = asyncio.create_task(starve())

    async def over() -> bool:
        return starving.done()

    assert await within(BOUND_S, over) < BOUND_S


async def test_time_of_work_counts() -> None:
    async def work() -> None:
        enough = time.process_time() + BOUND_S
        while time.process_time() < enough:
            pass

    working = asyncio.create_task(work())

    async def over() -> bool:
        return working.done()

    assert await within(60, over) >= BOUND_S * 0.9


async def test_what_never_comes_is_not_waited_for() -> None:
    async def never() -> bool:
        return False

    with pytest.raises(AssertionError, match="not within"):
        await within(BOUND_S, never)
