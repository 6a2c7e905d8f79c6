import asyncio
import logging

import pytest

from holdfast.resilience.tasks import all_of, pause, stopped

LOG = logging.getLogger("holdfast.rounds")


async def test_a_task_is_cancelled_and_waited_for() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            ended.set()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    await stopped(task)
    assert ended.is_set()
    await stopped(task)  # once more does no harm


async def test_what_runs_beside_a_failure_has_ended_when_that_is_raised() -> None:
    failed, ended = asyncio.Event(), asyncio.Event()

    async def fails() -> int:
        failed.set()
        raise ValueError("no")

    async def goes_on() -> int:
        await failed.wait()
        for _ in range(10):
            await asyncio.sleep(0)
        ended.set()
        return 1

    with pytest.raises(ValueError, match="no"):
        await all_of([fails(), goes_on()])
    assert ended.is_set()
    assert await all_of([goes_on(), goes_on()]) == [1, 1]


async def test_whoever_is_cancelled_while_waiting_learns_of_it() -> None:
    release = asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await release.wait()

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    stopper = asyncio.create_task(stopped(task))
    await asyncio.sleep(0)
    stopper.cancel()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await stopper
    await asyncio.wait({task})


async def test_a_cancellation_that_gets_lost_on_a_dead_connection_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.resilience.tasks.AGAIN_S", 0.01)
    lost = 0

    async def work() -> None:
        nonlocal lost
        while lost < 3:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                lost += 1
        await asyncio.sleep(3600)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    await stopped(task)
    assert lost == 3


async def test_what_a_task_failed_with_is_not_lost() -> None:
    async def fail() -> None:
        raise ValueError("broken")

    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    with pytest.raises(ValueError, match="broken"):
        await stopped(task)


async def test_a_pause_ends_when_it_is_over_or_when_woken() -> None:
    woken = asyncio.Event()
    await pause(0.01, woken)
    waiting = asyncio.create_task(pause(3600, woken))
    await asyncio.sleep(0)
    woken.set()
    await waiting
    assert woken.is_set(), "whoever pauses forgets the call itself, before it looks"
