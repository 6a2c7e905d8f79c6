"""How tests count the time that something may take, on a machine that is busy with other things."""

import asyncio
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.node import within

BOUND_S = 0.25


async def _work() -> None:
    enough = time.process_time() + BOUND_S
    while time.process_time() < enough:
        pass


@pytest.mark.skipif(not Path("/proc/thread-self/schedstat").exists(), reason="the system does not tell")
async def test_time_without_a_processor_does_not_count() -> None:
    before = os.sched_getaffinity(0)
    with ExitStack() as stack:
        stack.callback(os.sched_setaffinity, 0, before)
        os.sched_setaffinity(0, {min(before)})
        for _ in range(3):  # on the same processor, as children inherit that
            other = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            stack.callback(other.kill)
        began = time.monotonic()
        working = asyncio.create_task(_work())

        async def over() -> bool:
            return working.done()

        counted = await within(60, over)
        assert counted < 0.75 * (time.monotonic() - began)


async def test_time_in_which_the_thread_was_blocked_counts() -> None:
    async def block() -> None:
        time.sleep(BOUND_S)

    blocked = asyncio.create_task(block())

    async def over() -> bool:
        return blocked.done()

    assert await within(60, over) >= BOUND_S * 0.9


async def test_time_of_work_counts() -> None:
    working = asyncio.create_task(_work())

    async def over() -> bool:
        return working.done()

    assert await within(60, over) >= BOUND_S * 0.9


async def test_what_never_comes_is_not_waited_for() -> None:
    async def never() -> bool:
        return False

    with pytest.raises(AssertionError, match="not within"):
        await within(BOUND_S, never)
