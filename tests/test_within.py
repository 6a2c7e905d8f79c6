"""How tests count the time that something may take, on a machine that is busy with other things."""

import asyncio
import os
import signal
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


_BUSY = """
import os, signal, sys, time
clock, seconds = getattr(time, sys.argv[1]), float(sys.argv[2])
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
end = clock() + seconds
while clock() < end:
    pass
with open(sys.argv[3], "a") as told:
    told.write(open("/proc/self/schedstat").read().split()[1])
signal.alarm(60)
signal.pause()
"""
"""Works on one processor, the same for all, for so many seconds of a clock; then tells how long it waited for it."""


@pytest.mark.skipif(not Path("/proc/thread-self/schedstat").exists(), reason="the system does not tell")
async def test_time_without_a_processor_for_a_server_of_the_tests_does_not_count(tmp_path: Path) -> None:
    told = tmp_path / "told"
    with ExitStack() as stack:
        for _ in range(3):  # none of ours: the shell ends, and they are another's children
            command = [
                "/bin/sh",
                "-c",
                '"$0" -c "$1" monotonic 30 /dev/null > /dev/null & echo $!',
                sys.executable,
                _BUSY,
            ]
            pid = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
            stack.callback(os.kill, int(pid), signal.SIGKILL)
        began = time.monotonic()
        server = stack.enter_context(
            subprocess.Popen([sys.executable, "-c", _BUSY, "process_time", str(BOUND_S), told])
        )
        stack.callback(server.kill)

        async def over() -> bool:
            return told.exists() and told.read_text() != ""

        counted = await within(60, over)
        waited_s = int(told.read_text()) / 1e9
        assert counted <= time.monotonic() - began - 0.9 * waited_s


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
