"""An HTTP proxy that opens tunnels, as in networks without another way out.

async with ConnectProxy() as proxy:
    proxy.url                          # with its credentials, if it wants any
    proxy.opened                       # the places it was asked for
    proxy.carried                      # every byte that went through it, in either direction
"""

import asyncio
import base64
import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, Self

USER: Final = "proxy-user"
PASSWORD: Final = "c4n4ry/p@ss"


class ConnectProxy:
    """``password``: it lets in only who shows it. ``status``: what it answers instead of opening a tunnel.

    ``tls``: it is itself reached over TLS. ``routes``: the local port that stands in for a place such as
    ``login.microsoftonline.com:443``.
    """

    def __init__(
        self,
        *,
        password: bool = False,
        status: int | None = None,
        tls: ssl.SSLContext | None = None,
        routes: Mapping[str, int] | None = None,
    ) -> None:
        self._password, self.status, self._tls = password, status, tls
        self._routes = routes or {}
        self.opened: list[str] = []
        self.carried = bytearray()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        credentials = f"{USER}:{PASSWORD.replace('/', '%2F').replace('@', '%40')}@" if self._password else ""
        scheme = "https" if self._tls else "http"
        return f"{scheme}://{credentials}127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(ConnectionError, asyncio.CancelledError):
                await self._open(reader, writer)
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _open(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, *headers = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        method, place, _ = line.split(" ")
        self.opened.append(place)
        if refusal := self._refusal(method, headers):
            writer.write(f"HTTP/1.1 {refusal} No\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return
        if place in self._routes:
            place = f"127.0.0.1:{self._routes[place]}"
        host, _, port = place.rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host.strip("[]"), int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        finally:
            far_writer.transport.abort()

    def _refusal(self, method: str, headers: list[str]) -> int | None:
        shown = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if method != "CONNECT":
            return 405
        if self._password and f"Proxy-Authorization: Basic {shown}" not in headers:
            return 407
        return self.status

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            self.carried += data
            target.write(data)
            await target.drain()
        target.write_eof() if target.can_write_eof() else target.transport.abort()
