"""Tasks that run beside others."""

import asyncio
from typing import Any, Final

AGAIN_S: Final = 1.0
"""Seconds that a cancelled task may take to tidy up before it is cancelled once more."""


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
