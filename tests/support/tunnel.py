"""A proxy that knows one domain: names under it lead to a port on loopback, all others are refused.

So clients run with their own settings, names and port 443, without an entry in any file of hosts, and cannot reach
anything else.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_REFUSED = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@dataclass
class Tunnel:
    """A running proxy. ``ports``: where each ``host:port`` leads. ``refused``: what else was asked for."""

    ports: Mapping[str, int]
    url: str = ""
    refused: list[str] = field(default_factory=list)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection: its CONNECT, then bytes both ways."""
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._connect(reader, writer)
        finally:
            writer.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, _ = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split(" ", 2)
        port = self.ports.get(target) if method == "CONNECT" else None
        if port is None:
            self.refused.append(target)
            writer.write(_REFUSED)
            await writer.drain()
            return
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_ESTABLISHED)
        await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
    finally:
        writer.close()


@asynccontextmanager
async def tunnelling(ports: Mapping[str, int]) -> AsyncIterator[Tunnel]:
    """A proxy for ``ports``."""
    tunnel = Tunnel(ports)
    server = await asyncio.start_server(tunnel.take, "127.0.0.1", 0)
    tunnel.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield tunnel
    finally:
        server.close()
