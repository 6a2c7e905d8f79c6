"""A load generator that costs little: HTTP/1.1 by hand on kept-alive TLS connections, each answer compared in full."""

import asyncio
import re
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from benchmarks.measuring import Wrong, check

Ask = Callable[[bytes], Awaitable[tuple[bytes, bytes]]]
"""Makes a request and returns the head of the answer, with the empty line behind it, and its body."""

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)")


class _Connection(asyncio.Protocol):
    """Sends a request, waits for its whole answer, sends the next."""

    def __init__(self, request: bytes, body: bytes) -> None:
        self._request, self._body = request, body
        self._received = b""
        self._left = 0
        self._transport: asyncio.Transport | None = None
        self._done: asyncio.Future[None] | None = None
        self._sent_at = 0.0
        self.latencies: list[float] = []

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
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or len(body) < length_of(head):
            return
        self._received = b""
        if not head.startswith(b"HTTP/1.1 200 ") or body != self._body:
            said = body[:300] if not head.startswith(b"HTTP/1.1 200 ") else b"200"
            self._fail(Wrong(f"the server answered with something else: {said!r}"))
            return
        self.latencies.append(time.perf_counter() - self._sent_at)
        self._left -= 1
        if self._left:
            self._send()
        elif self._done is not None:
            self._done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits."""
        self._transport = None
        self._fail(exc or Wrong("the server closed the connection"))

    def close(self) -> None:
        """Close."""
        if self._transport is not None:
            self._transport.abort()

    def is_open(self) -> bool:
        """Whether no one has closed it."""
        return self._transport is not None and not self._transport.is_closing()

    def _send(self) -> None:
        if self._transport is None:
            self._fail(Wrong("the server has closed the connection"))
            return
        self._sent_at = time.perf_counter()
        self._transport.write(self._request)

    def _fail(self, error: Exception) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(error)


class Load:
    """Some connections to one server that all ask the same. ``opened`` makes one."""

    def __init__(self, opened: Callable[[], Awaitable[_Connection]], count: int) -> None:
        self._opened, self._count = opened, count
        self._connections: list[_Connection] = []

    async def rate(self, each: int) -> float:
        """Make ``each`` requests on every connection, one after another on each; return requests per second."""
        await self._be_ready()
        began = time.perf_counter()
        await asyncio.gather(*(connection.start(each) for connection in self._connections))
        return self._count * each / (time.perf_counter() - began)

    def latencies(self) -> list[float]:
        """Return how many seconds each answer took since the last call, and forget them."""
        found = [latency for connection in self._connections for latency in connection.latencies]
        for connection in self._connections:
            connection.latencies.clear()
        return found

    def close(self) -> None:
        """Close all."""
        for each in self._connections:
            each.close()

    async def _be_ready(self) -> None:
        # A server closes what is idle while others take their turns.
        self._connections = [each for each in self._connections if each.is_open()]
        while len(self._connections) < self._count:
            self._connections.append(await self._opened())


@asynccontextmanager
async def loading(url: str, request: bytes, body: bytes, connections: int, ca_file: Path) -> AsyncIterator[Load]:
    """Connections to the server at ``url``, each of whose answers to ``request`` must be 200 with ``body``."""
    context, port = context_of(url, ca_file), urlsplit(url).port or 0

    async def opened() -> _Connection:
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(lambda: _Connection(request, body), "127.0.0.1", port, ssl=context)
        return made

    load = Load(opened, connections)
    try:
        yield load
    finally:
        load.close()


async def answer_to(url: str, request: bytes, ca_file: Path) -> tuple[bytes, bytes]:
    """Return the head, with the empty line behind it, and the body of the second answer to one request."""
    async with asking(url, ca_file) as ask:
        await ask(request)  # fills the cache
        return await ask(request)


@asynccontextmanager
async def asking(url: str, ca_file: Path) -> AsyncIterator[Ask]:
    """One connection on which requests are made one after another; every answer must be 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port, ssl=context_of(url, ca_file))

    async def ask(request: bytes) -> tuple[bytes, bytes]:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        check(head.startswith(b"HTTP/1.1 200 "), "the server did not answer 200")
        return head, await reader.readexactly(length_of(head))

    try:
        yield ask
    finally:
        writer.transport.abort()


def get(path: str, host: str, token: str) -> bytes:
    """Return a request."""
    lines = (f"GET {path} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {token}", "", "")
    return "\r\n".join(lines).encode()


def context_of(url: str, ca_file: Path) -> ssl.SSLContext | None:
    """Return what a server at ``url`` is checked by; None where there is no TLS."""
    return ssl.create_default_context(cafile=str(ca_file)) if url.startswith("https:") else None


def length_of(head: bytes) -> int:
    """Return how long the body behind a head is."""
    length = _LENGTH.search(head)
    if length is None:
        raise Wrong("the server answered without a length")
    return int(length[1])
