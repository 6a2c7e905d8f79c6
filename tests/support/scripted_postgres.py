"""What is no PostgreSQL that Holdfast could use, behind a port."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def answering(*answers: bytes, then_hang: bool = False) -> AsyncIterator[str]:
    """The DSN of something that answers the first message with ``answers`` and then closes or hangs."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(1024)
            writer.write(b"".join(answers))
            await writer.drain()
            if then_hang:
                await reader.read(-1)
        except ConnectionError:
            pass  # whoever asked has gone
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"postgresql://app:hidden-password@127.0.0.1:{port}/secrets?sslmode=disable"


def of_version(version: str) -> tuple[bytes, ...]:
    """The greeting of a server that lets everyone in."""
    parameter = f"server_version\0{version}\0".encode()
    return (
        _message(b"R", struct.pack("!i", 0)),
        _message(b"S", parameter),
        _message(b"K", struct.pack("!ii", 1, 1)),
        _message(b"Z", b"I"),
    )


def refusing(code: str, text: str) -> tuple[bytes, ...]:
    """A server's refusal of a connection."""
    return (_message(b"E", f"SFATAL\0VFATAL\0C{code}\0M{text}\0\0".encode()),)


def _message(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("!i", len(content) + 4) + content
