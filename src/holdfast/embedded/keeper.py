"""Sees that the embedded PostgreSQL runs for as long as somebody uses it, whatever kills it."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final, Protocol

from holdfast.errors import StartupError
from holdfast.resilience.events import Event, Log
from holdfast.resilience.retry import doubled

_log: Final = Log(__name__)

LOOK_S: Final = 0.5
"""Seconds between two looks."""

FIRST_PAUSE_S: Final = 0.5
MAX_PAUSE_S: Final = 30.0
"""Seconds before the next try after one that failed, or after a server that did not live long: doubled each time."""

STEADY_S: Final = 60.0
"""Seconds after which a server that was started again is taken to be well."""

HOPELESS_AFTER: Final = 6
"""Tries in a row, over some 16 s at least, after which nothing is expected of further ones. They are made all the same.
A supervisor may know more: it has other machines, or calls a person."""


class Server(Protocol):
    """What is kept running."""

    def runs(self) -> bool:
        """Whether the server is there, without asking it."""

    async def start(self) -> str:
        """Start it, or join the one that another process has started meanwhile; raise StartupError."""


class Keeper:
    """Starts a server again that has ended.

    Args:
        sleep: how to wait some seconds.
        elapsed_s: seconds on a clock that only goes forward.
    """

    def __init__(
        self,
        server: Server,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        elapsed_s: Callable[[], float] = monotonic,
    ) -> None:
        self._server, self._sleep, self._elapsed_s = server, sleep, elapsed_s
        self._tries = 0
        self._started_at = float("-inf")
        self._reason: str | None = None

    @property
    def fault(self) -> str | None:
        """Why the server is not there; None while it is."""
        return self._reason

    @property
    def hopeless(self) -> bool:
        """Whether starting it has been tried again and again in vain."""
        return self._tries >= HOPELESS_AFTER

    async def run(self) -> None:
        """Look after the server until cancelled."""
        while True:
            await self._sleep(LOOK_S)
            if not self._server.runs():
                await self._bring_back()
            elif self._tries and self._elapsed_s() - self._started_at >= STEADY_S:
                self._tries = 0

    async def _bring_back(self) -> None:
        self._reason = "the embedded PostgreSQL has ended and is being started again"
        _log(Event.SERVER_ENDED)
        while self._reason is not None:
            if self._tries:
                await self._sleep(doubled(FIRST_PAUSE_S, self._tries - 1, MAX_PAUSE_S))
            self._tries += 1
            self._reason = await self._try()
        self._started_at = self._elapsed_s()
        _log(Event.SERVER_RUNS_AGAIN)

    async def _try(self) -> str | None:
        """Start the server; returns why it does not, if so. The log hears of each reason once."""
        try:
            await self._server.start()
        except StartupError as error:
            reason = f"the embedded PostgreSQL has ended and cannot be started: {str(error).splitlines()[0]}"
            if reason != self._reason:
                _log(Event.SERVER_NOT_STARTED, reason=error)
            return reason
        return None
