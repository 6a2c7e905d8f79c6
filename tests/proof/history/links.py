"""A TCP link that can go wrong, per direction: what stands between clients, nodes and backends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from typing import Final

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

CUT_AFTER: Final = 200
"""Bytes of answers that pass before a connection is cut: within a TLS record, a row, or the body of an answer."""

_CRUMB: Final = 64
_CRUMB_PAUSE_S: Final = 0.005


class Wrong(StrEnum):
    """What a link does instead of its work."""

    REFUSE = "refuse"
    """Connections break, and new ones break at once."""
    RESET = "reset"
    """Connections break once; new ones are well."""
    HANG = "hang"
    """Nothing passes; all of it arrives afterwards."""
    LATE = "late"
    """Questions wait, and arrive afterwards; answers pass."""
    MUTE = "mute"
    """Questions pass, and their answers are lost with the connection."""
    DRIP = "drip"
    """Answers pass in crumbs."""
    CUT = "cut"
    """Each connection breaks in the middle of an answer."""


class Link:
    """Listens on loopback and passes bytes on to where ``connect`` leads."""

    def __init__(self, connect: Callable[[], Awaitable[Streams]]) -> None:
        self._connect = connect
        self._ends: set[asyncio.StreamWriter] = set()
        self._doomed: set[asyncio.StreamWriter] = set()
        self._wrong: Wrong | None = None
        self._well = asyncio.Event()
        self._well.set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def lay(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def remove(self) -> None:
        """End, with every connection."""
        assert self._server is not None
        self.heal()
        self._server.close()
        _break(self._ends)
        await self._server.wait_closed()

    def fail(self, wrong: Wrong) -> None:
        """Go wrong in this way until it is healed."""
        if wrong in {Wrong.REFUSE, Wrong.RESET}:
            _break(self._ends)
        if wrong is not Wrong.RESET:
            self._wrong = wrong
            self._well.clear()

    def heal(self) -> None:
        """Be well again. What was swallowed stays lost: its connections end."""
        self._wrong = None
        _break(self._doomed)
        self._well.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._wrong is Wrong.REFUSE:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, far_writer}
        self._ends |= ends
        try:
            await asyncio.gather(self._ask(reader, far_writer), self._answer(far_reader, writer, far_writer))
        finally:
            _break(ends)
            self._ends -= ends
            self._doomed -= ends

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if self._wrong in {Wrong.HANG, Wrong.LATE}:
                    await self._well.wait()
                writer.write(data)
                await writer.drain()
        writer.close()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, far: asyncio.StreamWriter
    ) -> None:
        passed = 0
        with suppress(OSError):
            while data := await reader.read(65536):
                if self._wrong is Wrong.HANG:
                    await self._well.wait()
                if self._wrong is Wrong.MUTE:
                    self._doomed |= {writer, far}
                    continue
                if self._wrong is Wrong.CUT and passed + len(data) > CUT_AFTER:
                    writer.write(data[: max(CUT_AFTER - passed, 0)])
                    break
                passed += len(data) if self._wrong is Wrong.CUT else 0
                await self._pass(data, writer)
        writer.close()

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        while self._wrong is Wrong.DRIP and data:
            writer.write(data[:_CRUMB])
            await writer.drain()
            data = data[_CRUMB:]
            await asyncio.sleep(_CRUMB_PAUSE_S)
        writer.write(data)
        await writer.drain()


def _break(ends: set[asyncio.StreamWriter]) -> None:
    for end in list(ends):
        end.transport.abort()


@asynccontextmanager
async def linked(connect: Callable[[], Awaitable[Streams]]) -> AsyncIterator[Link]:
    """A link for the length of a block."""
    link = Link(connect)
    await link.lay()
    try:
        yield link
    finally:
        await link.remove()


def to_port(port: int) -> Callable[[], Awaitable[Streams]]:
    """To a port of loopback."""
    return lambda: asyncio.open_connection("127.0.0.1", port)


def to_socket(path: str) -> Callable[[], Awaitable[Streams]]:
    """To a socket in the file system."""
    return lambda: asyncio.open_unix_connection(path)
