"""A TCP link that can go wrong, per direction: what stands between clients, nodes and backends."""

import asyncio
from contextlib import AbstractAsyncContextManager, suppress
from enum import StrEnum
from typing import Final

from tests.support.relay import Connect, Relay, Streams, abort, laid

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


class Link(Relay):
    """Passes bytes on, and goes wrong until it is healed."""

    def __init__(self, connect: Connect) -> None:
        super().__init__(connect)
        self._doomed: set[asyncio.StreamWriter] = set()
        self._wrong: Wrong | None = None
        self._well = asyncio.Event()
        self._well.set()

    async def remove(self) -> None:
        """End, with every connection."""
        self.heal()
        await super().remove()

    def fail(self, wrong: Wrong) -> None:
        """Go wrong in this way until it is healed."""
        if wrong in {Wrong.REFUSE, Wrong.RESET}:
            abort(self._ends)
        if wrong is not Wrong.RESET:
            self._wrong = wrong
            self._well.clear()

    def heal(self) -> None:
        """Be well again. What was swallowed stays lost: its connections end."""
        self._wrong = None
        abort(self._doomed)
        self._well.set()

    async def _admits(self) -> bool:
        return self._wrong is not Wrong.REFUSE

    async def _carry(self, near: Streams, far: Streams) -> None:
        try:
            await asyncio.gather(self._ask(near[0], far[1]), self._answer(far[0], near[1], far[1]))
        finally:
            self._doomed -= {near[1], far[1]}

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


def linked(connect: Connect) -> AbstractAsyncContextManager[Link]:
    """A link for the length of a block."""
    return laid(Link(connect))


def to_port(port: int) -> Connect:
    """To a port of loopback."""
    return lambda: asyncio.open_connection("127.0.0.1", port)
