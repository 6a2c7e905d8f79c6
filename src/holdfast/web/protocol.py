"""uvicorn's HTTP/1.1 protocol (httptools), with the limits that it leaves to a proxy.

uvicorn bounds neither the size of a request's head nor the time it takes, nor how long a connection may be silent
before its first request. This touches uvicorn's internals, so its minor version is pinned;
``tests/web/test_raw_http.py`` holds it to what is promised here. What all connections share, ``web/sharing.py`` bounds.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import uvicorn.server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from holdfast.keyvault_wire.responses import error_body
from holdfast.web.draining import Drain
from holdfast.web.whole import DELIVERY, WHOLE, write_whole

MAX_HEAD_BYTES: Final = 32 * 1024
"""Request line and headers together."""

MAX_HEADERS: Final = 100
MAX_WAITING: Final = 16
"""Requests of one connection that wait behind the one that is being answered. Few clients send a second one."""

HEAD_PATIENCE_S: Final = 15.0
"""Seconds from a connection's opening, or from the first byte of a later request, to the end of its head."""

GOODBYE_PATIENCE_S: Final = 0.25
"""Seconds that a stopping server waits for the other end of a TLS connection to close as well."""


class ServerState(uvicorn.server.ServerState):
    """What the connections of one server share."""

    def __init__(self, drain: Drain) -> None:
        super().__init__()
        self.drain = drain


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    server_state: ServerState

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._fed_bytes = 0
        self._refused = False
        self._in_head = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._lost: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Take a connection."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_timer()
        lost, self._lost = self._lost, None
        if lost is not None and exc is not None:
            lost()
        if self.transport is not None:
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what arrives; nothing more once the connection is refused."""
        if self._refused or self.transport is None:
            return
        super().data_received(data)
        if self._in_head and self._head_timer is None and not self._refused:
            # A head that arrives in one piece, as nearly all do, needs no timer.
            self._await_head()
        if self._head_timer is not None:
            # The parser keeps an unfinished header to itself, so what it has been fed is counted.
            self._fed_bytes += len(data)
            if self._fed_bytes > MAX_HEAD_BYTES and not self._refused:
                self._head_bytes = self._fed_bytes
                self.send_400_response("")
        elif self._is_silent():
            # Stray line ends between requests stop uvicorn's timer and begin no request.
            self._await_head()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        if self._lost is not None and self.transport.get_write_buffer_size() == 0:
            self._lost = None
        self._head_bytes = 0
        self._in_head = True

    def on_url(self, url: bytes) -> None:
        """Take a part of the request line."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._count(len(name) + len(value) + len(b": \r\n"))
        if len(self.headers) >= MAX_HEADERS:
            raise _HeadTooLarge
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start answering."""
        self._in_head = False
        self._stop_timer()
        self._fed_bytes = 0
        if len(self.pipeline) >= MAX_WAITING:
            raise _TooManyWaiting
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Answer a request whose turn it is."""
        if self.server_state.drain.begun:
            cycle.keep_alive = False
        cycle.scope["extensions"] = self._extensions(cycle)
        super()._start_asgi_task(cycle, app)

    def _extensions(self, cycle: RequestResponseCycle) -> Any:
        """What a request's handlers find in its scope: our own, of which uvicorn's types know nothing."""
        return {WHOLE: partial(write_whole, cycle), DELIVERY: partial(self._watch, cycle)}

    def _unsupported_upgrade_warning(self) -> None:
        """End this connection after its answer: the parser takes nothing that follows an upgrade for HTTP."""
        self._refused = True
        self.cycle.keep_alive = False
        if self.cycle.response_complete:
            self.transport.close()

    def on_response_complete(self) -> None:
        """Go on to the next request, unless something behind this one was refused."""
        if self._refused:
            self.transport.close()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not proper HTTP, in JSON like every other refusal, and close.

        A request before it that is being answered gets its own answer, and that is the last one.
        """
        self._refused = True
        self._stop_timer()
        if self.cycle is not None and not self.cycle.response_complete:
            if self.pipeline or not self.cycle.more_body:
                return
            if self.cycle.response_started:
                self.transport.abort()
                return
        too_large = self._head_bytes > MAX_HEAD_BYTES or len(self.headers or ()) >= MAX_HEADERS
        status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if too_large else HTTPStatus.BAD_REQUEST
        text = f"The head of the request is larger than {MAX_HEAD_BYTES} bytes." if too_large else msg
        body = error_body("BadParameter", text)
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json; charset=utf-8\r\n"
            f"content-length: {len(body)}\r\ncache-control: no-cache, no-store\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def shutdown(self) -> None:
        """Close now, or after the answer in progress; a peer that does not say goodbye is not waited for."""
        super().shutdown()
        if self.transport.is_closing():
            self.loop.call_later(GOODBYE_PATIENCE_S, self.transport.abort)

    def _watch(self, cycle: RequestResponseCycle, lost: Callable[[], None]) -> None:
        if cycle.disconnected:
            lost()
        elif self.transport.get_write_buffer_size() > 0:
            self._lost = lost

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            raise _HeadTooLarge

    def _is_silent(self) -> bool:
        answering = self.cycle is not None and not self.cycle.response_complete
        return not answering and self._head_timer is None and self.timeout_keep_alive_task is None

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_PATIENCE_S, self._give_up)

    def _give_up(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class _HeadTooLarge(Exception):
    """Stops the parser, which passes it on as a malformed request."""


class _TooManyWaiting(Exception):
    """Likewise."""
