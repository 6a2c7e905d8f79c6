"""The endpoint's socket: loopback only, with bounds on how many may ask, for how long and how much."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web

from holdfast.agent.answers import Answer, Refused, Request, refusal

LOOPBACK: Final = "127.0.0.1"
MAX_CONNECTIONS: Final = 64
"""At a time; the oldest makes room. Questions are answered within milliseconds: the oldest is one that does not ask."""

PATIENCE_S: Final = 30.0
"""Seconds from a connection's beginning to its end, whatever is asked on it. Each takes one question."""

MAX_FIELD_BYTES: Final = 4096
"""Of the request line, and of a header: resources and ids of identities are shorter."""

MAX_HEADERS: Final = 64

_ALWAYS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "holdfast"}

Handle = Callable[[Request], Awaitable[Answer]]

_SILENT: Final = logging.getLogger("holdfast.agent.http")
"""What the library says of requests that are none quotes them, and they may hold the secret."""

_SILENT.disabled = True


def bound(port: int) -> socket.socket:
    """Return a socket on loopback. ``port`` 0 picks one.

    Raises:
        OSError: the port is taken, or may not be used.
    """
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((LOOPBACK, port))
    except OSError:
        made.close()
        raise
    return made


@asynccontextmanager
async def listening(made: socket.socket, handle: Handle, *, patience_s: float = PATIENCE_S) -> AsyncIterator[None]:
    """Answer requests on a bound socket; at the end those under way are given a moment."""
    server = _Server(handle, patience_s)
    listener = await asyncio.get_running_loop().create_server(server, sock=made, backlog=MAX_CONNECTIONS)
    try:
        yield
    finally:
        listener.close()
        await server.shutdown(1.0)


class _Handler(web.RequestHandler):
    """A connection. What is no request is refused in the endpoint's own words: the library's quote it."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the refusal of what is no request."""
        return _response(refusal(Refused(status, "bad_request", "This is no request that can be read.")))


class _Server(web.Server):
    """Connections, each with its end."""

    def __init__(self, handle: Handle, patience_s: float) -> None:
        async def answered(request: web.BaseRequest) -> web.StreamResponse:
            return _response(await handle(_request(request)))

        super().__init__(
            answered,
            access_log=None,
            logger=_SILENT,
            keepalive_timeout=0,
            lingering_time=0,
            max_line_size=MAX_FIELD_BYTES,
            max_field_size=MAX_FIELD_BYTES,
            max_headers=MAX_HEADERS,
            auto_decompress=False,
        )
        self._patience_s = patience_s
        self._ends: dict[Any, tuple[asyncio.Transport, asyncio.TimerHandle]] = {}

    def __call__(self) -> web.RequestHandler:
        """Make a connection."""
        return _Handler(self, loop=self._loop, **self._kwargs)

    def connection_made(self, handler: Any, transport: asyncio.Transport) -> None:
        """Note a connection, and that it has to end."""
        super().connection_made(handler, transport)
        end = asyncio.get_running_loop().call_later(self._patience_s, transport.abort)
        self._ends[handler] = (transport, end)
        if len(self._ends) > MAX_CONNECTIONS:
            next(iter(self._ends.values()))[0].abort()

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        """Forget a connection."""
        super().connection_lost(handler, exc)
        if handler in self._ends:
            self._ends.pop(handler)[1].cancel()


def _request(given: web.BaseRequest) -> Request:
    headers = tuple((name.lower(), value) for name, value in given.headers.items())
    return Request(given.method, given.raw_path, headers)


def _response(answer: Answer) -> web.Response:
    made = web.Response(
        status=answer.status,
        body=answer.body,
        content_type="application/json",
        headers={**answer.headers, **_ALWAYS},
    )
    made.force_close()
    return made
