"""Ports that lead to the socket of a server, with TLS that the server behind knows nothing of."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.certificates import make_authority


@asynccontextmanager
async def tls_before(
    socket: str, folder: Path, *, asked: bool, host: str = "127.0.0.1"
) -> AsyncIterator[tuple[int, Path]]:
    """A port with TLS that leads to a socket, and the CA that vouches for it as ``host``, both kept in a new folder.

    ``asked``: clients ask for TLS, as PostgreSQL's.
    """
    folder.mkdir()
    ca, context = make_authority(folder, host)
    async with port_before(socket, context, asked=asked) as port:
        yield port, ca


@asynccontextmanager
async def port_before(socket: str, context: ssl.SSLContext | None, *, asked: bool = False) -> AsyncIterator[int]:
    """A port that leads to a socket."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while content := await reader.read(65536):
                writer.write(content)
                await writer.drain()
        except (OSError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if asked:
                assert (await reader.readexactly(8))[4:] == b"\x04\xd2\x16\x2f"  # SSLRequest
                writer.write(b"S")
            if context is not None:
                await writer.start_tls(context)
            inner_reader, inner_writer = await asyncio.open_unix_connection(socket)
        except (OSError, ssl.SSLError, EOFError):
            writer.close()
            return
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

    async with await asyncio.start_server(forward, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
