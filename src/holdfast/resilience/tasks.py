"""Tasks that run beside others."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar

from holdfast.errors import HoldfastError

T = TypeVar("T")

AGAIN_S: Final = 1.0
"""Seconds that a cancelled task may take to tidy up before it is cancelled once more."""

SLICE: Final = 200
"""Items looked at in one go: some milliseconds, where each costs a signature's check."""


async def stopped(task: "asyncio.Task[Any]") -> None:
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


async def unhurried(items: Iterable[T]) -> AsyncIterator[T]:
    """Give out items, however many, and let other tasks run in between."""
    for number, item in enumerate(items, 1):
        yield item
        if number % SLICE == 0:
            await asyncio.sleep(0)


@contextmanager
def surviving(log: logging.Logger, what: str) -> Iterator[None]:
    """One round of ``what`` is done again and again: a round that fails is logged, and is not the last.

    An error of ours says on one line what is waited for; any other comes with its traceback.
    """
    try:
        yield
    except HoldfastError as error:
        log.info("%s waits: %s", what, error)
    except Exception:
        log.exception("%s failed", what)


async def pause(seconds: float, woken: asyncio.Event) -> None:
    """Wait for some time, or until woken."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await woken.wait()
