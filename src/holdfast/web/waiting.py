"""A server whose service has yet to start: it is alive, says what it waits for, and answers nothing else."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from itertools import count
from typing import Final

import msgspec

from holdfast.errors import BackendUnavailable, OutcomeUnknown, StartupDelayed
from holdfast.resilience.events import Event
from holdfast.resilience.outages import Outages
from holdfast.resilience.retry import doubled
from holdfast.web.endpoint import Endpoint
from holdfast.web.errors import retry_after
from holdfast.web.exchange import ASGIApp, Exchange, Reply, Scope, Send
from holdfast.web.health import ALIVE
from holdfast.web.limits import Receive
from holdfast.web.surface import refuse

FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 5.0
"""Between attempts to start, drawn at random below a limit that doubles, so that nodes do not come all at once."""

GRACE_S: Final = 1.0
"""Seconds for a start that meets nothing odd. One that takes longer is told of as one that waits."""

_STARTING: Final = "This node is starting"
_NODE: Final = "the start"
_encode: Final = msgspec.json.Encoder().encode


class Starting(BackendUnavailable):
    """This node has yet to start; others may answer."""

    code = "starting"


class Porch:
    """The application of a server: it refuses all until ``lead_to`` names the one that answers.

    Args:
        early: whether clients are let in before that, so that they hear why. A worker whose siblings answer lets none
            in: it would take their requests.
    """

    def __init__(self, *, early: bool) -> None:
        self.reason, self._early = _STARTING, early
        self.opened = asyncio.Event()
        """Set once clients are let in."""
        self._app: ASGIApp = Endpoint(self._answer, refuse)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer one request."""
        return self._app(scope, receive, send)

    def waits(self, reason: str = _STARTING) -> None:
        """Let clients in to hear what this node waits for."""
        self.reason = reason
        if self._early:
            self.opened.set()

    def lead_to(self, app: ASGIApp) -> None:
        """Let every request go to ``app`` from now on."""
        self._app = app
        self.opened.set()

    async def _answer(self, exchange: Exchange) -> Reply:
        path = exchange.raw_path
        if path == b"/healthz":
            return ALIVE
        if path == b"/readyz":
            body = _encode({"status": "not ready", "reason": self.reason})
            return Reply(HTTPStatus.SERVICE_UNAVAILABLE, body, (retry_after(),))
        raise Starting(f"{self.reason}; try again")


async def come_up(
    start: Callable[[], Awaitable[None]],
    porch: Porch,
    *,
    uniform: Callable[[float, float], float] = random.uniform,
) -> None:
    """Start, as often as it takes; what no waiting changes is raised.

    Raises:
        StartupError: this node cannot serve, and waiting is of no use.
    """
    waiting = Outages(Event.START_WAITS, Event.START_DONE)
    timer = asyncio.get_running_loop().call_later(GRACE_S, porch.waits)
    try:
        for attempt in count(1):
            try:
                await start()
                break
            except (StartupDelayed, BackendUnavailable) as error:
                if isinstance(error, OutcomeUnknown):  # of what would be done twice
                    raise
                timer.cancel()
                waiting.failed(_NODE, error)
                porch.waits(error.reason or str(error))
            await asyncio.sleep(uniform(FIRST_PAUSE_S, doubled(FIRST_PAUSE_S, attempt, LONGEST_PAUSE_S)))
    finally:
        timer.cancel()
    waiting.works(_NODE)
