"""Tasks that run beside others."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import suppress
from typing import Any, Final, TypeVar

T = TypeVar("T")

AGAIN_S: Final = 1.0
"""Seconds that a cancelled task may take to tidy up before it is cancelled once more."""

SLICE: Final = 200
"""Items looked at in one go: some milliseconds, where each costs a signature's check."""


async def stopped(task: "asyncio.Future[Any]") -> None:
    """Cancel a task and return when it has ended; a failure that it ended with is raised.

    A cancellation can get lost: tidying up on its way out, a task meets a dead connection, and the error of that takes
    the cancellation's place. So it is repeated. And this is no ``suppress(CancelledError)`` around an await of the
    task, which would swallow the cancellation of whoever waits.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=AGAIN_S)
    if not task.cancelled():
        task.result()


async def all_of(works: Iterable[Awaitable[T]]) -> list[T]:
    """Let all run side by side, and return what they return when all have ended; then the first failure is raised.

    ``asyncio.gather`` raises it at once, and the others go on where no one waits for them any more.
    """
    ended = await asyncio.gather(*works, return_exceptions=True)
    for each in ended:
        if isinstance(each, BaseException):
            raise each
    return [each for each in ended if not isinstance(each, BaseException)]


async def first_of(*works: Awaitable[object]) -> None:
    """Return once one has ended, and end the others; a failure is raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            await stopped(task)


async def unhurried(items: Iterable[T]) -> AsyncIterator[T]:
    """Give out items, however many, and let other tasks run in between."""
    for number, item in enumerate(items, 1):
        yield item
        if number % SLICE == 0:
            await asyncio.sleep(0)


async def pause(seconds: float, woken: asyncio.Event) -> None:
    """Wait for some time, or until woken."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await woken.wait()
