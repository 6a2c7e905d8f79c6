"""Blocking work that may hang for ever, kept from hanging anything else."""

import asyncio
import threading
from collections.abc import Callable
from typing import Final

from holdfast.errors import BackendUnavailable

PATIENCE_S: Final = 10.0
"""How long one delivery may take."""


class Detached:
    """Runs one piece of blocking work at a time on a thread that nobody waits for when the process ends."""

    def __init__(self) -> None:
        self._busy = False

    async def run(self, work: Callable[[], None]) -> None:
        """Return when the work is done.

        Raises:
            BackendUnavailable: it failed or takes too long, or earlier work still hangs.
        """
        if self._busy:
            raise BackendUnavailable("An earlier delivery still hangs")
        self._busy = True
        loop, done = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

        def end(error: BaseException | None) -> None:
            self._busy = False
            if not done.done():
                done.set_exception(error) if error else done.set_result(None)

        def body() -> None:
            try:
                work()
            except BaseException as error:
                loop.call_soon_threadsafe(end, error)
            else:
                loop.call_soon_threadsafe(end, None)

        threading.Thread(target=body, name="outlet", daemon=True).start()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await done
        except (OSError, ValueError) as error:  # a timeout is an OSError; ValueError: a stream that is closed
            raise BackendUnavailable(f"The delivery failed ({type(error).__name__})") from error
