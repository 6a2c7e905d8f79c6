"""A load generator that costs little: HTTP/1.1 by hand on kept-alive TLS connections, each answer compared in full."""

import asyncio
import re
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from benchmarks.measuring import Wrong


class _Connection(asyncio.Protocol):
    """Sends a request, waits for its whole answer, sends the next."""

    def __init__(self, request: bytes, body: bytes) -> None:
        self._request, self._body = request, body
        self._received = b""
        self._left = 0
        self._transport: asyncio.Transport | None = None
        self._done: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready."""
        self._transport = cast("asyncio.Transport", transport)

    def start(self, requests: int) -> asyncio.Future[None]:
        """Begin; the future ends with the last answer."""
        self._left = requests
        self._done = asyncio.get_running_loop().create_future()
        self._send()
        return self._done

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer."""
        self._received += data
        if not self._received.endswith(self._body):
            if len(self._received) > len(self._body) + 4096:
                self._fail(Wrong("the server answered with something else"))
            return
        if not self._received.startswith(b"HTTP/1.1 200 "):
            self._fail(Wrong("the server did not answer 200"))
            return
        self._received = b""
        self._left -= 1
        if self._left:
            self._send()
        elif self._done is not None:
            self._done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self._fail(exc or Wrong("the server closed the connection"))

    def close(self) -> None:
        """Close."""
        if self._transport is not None:
            self._transport.abort()

    def _send(self) -> None:
        if self._transport is not None:
            self._transport.write(self._request)

    def _fail(self, error: Exception) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(error)


class Load:
    """Some open connections to one server that all ask the same."""

    def __init__(self, connections: list[_Connection]) -> None:
        self._connections = connections

    async def rate(self, each: int) -> float:
        """Make ``each`` requests on every connection, one after another on each; return requests per second."""
        began = time.perf_counter()
        await asyncio.gather(*(connection.start(each) for connection in self._connections))
        return len(self._connections) * each / (time.perf_counter() - began)


@asynccontextmanager
async def loading(url: str, request: bytes, body: bytes, connections: int, ca_file: Path) -> AsyncIterator[Load]:
    """Connections to the server at ``url``, each of whose answers to ``request`` must be 200 with ``body``."""
    context, port = ssl.create_default_context(cafile=str(ca_file)), urlsplit(url).port or 0
    loop = asyncio.get_running_loop()
    opened: list[_Connection] = []
    try:
        for _ in range(connections):
            _, made = await loop.create_connection(lambda: _Connection(request, body), "127.0.0.1", port, ssl=context)
            opened.append(made)
        yield Load(opened)
    finally:
        for each in opened:
            each.close()


async def answer_to(url: str, request: bytes, ca_file: Path) -> bytes:
    """Return the body of the answer to one request."""
    context = ssl.create_default_context(cafile=str(ca_file))
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port, ssl=context)
    try:
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = re.search(rb"content-length: (\d+)", head)
        if not head.startswith(b"http/1.1 200 ") or length is None:
            raise Wrong("the server did not answer 200")
        return await reader.readexactly(int(length[1]))
    finally:
        writer.transport.abort()
