"""A cable between a node and PostgreSQL or Redis that a test can cut: both ends stay up, and nothing passes."""

import asyncio
from contextlib import AbstractAsyncContextManager, suppress

from tests.support.relay import Relay, Streams, abort, dsn_through, laid, to_database


class Cable(Relay):
    """Passes bytes on to a database. ``cut`` ends every connection and refuses new ones; ``freeze`` keeps
    them, and nothing passes until ``mend``; ``hold_reply`` lets a question through, and never its answer;
    ``hold_question`` keeps a question until ``release``, though the one who asked has died meanwhile."""

    def __init__(self, dsn: str) -> None:
        super().__init__(to_database(dsn))
        self._dsn = dsn
        self._whole = True
        self._passing = asyncio.Event()
        self._passing.set()
        self._question, self._number = b"", 0
        self._kept = b""
        self._released = asyncio.Event()
        self.held = asyncio.Event()
        """Set when ``hold_reply`` has met its question."""
        self.connections = 0
        """How many there were, refused ones among them."""
        self.late_s = 0.0
        """Seconds for which a new connection passes nothing."""

    @property
    def dsn(self) -> str:
        """How to reach the database over this cable."""
        return dsn_through(self.port, self._dsn)

    async def remove(self) -> None:
        self.cut()
        self._passing.set()
        await super().remove()

    def cut(self) -> None:
        self._whole = False
        abort(self._ends)

    def freeze(self) -> None:
        self._passing.clear()

    def mend(self) -> None:
        self._whole = True
        self._passing.set()

    def hold_reply(self, question: bytes, number: int = 1) -> None:
        """Let the server get the question of this number from now on with these bytes in it, and no one its answer."""
        self._question, self._number = question, number
        self.held.clear()

    def hold_question(self, question: bytes) -> None:
        """Let no one have the next question with these bytes in it before ``release``."""
        self._kept = question
        self._released.clear()
        self.held.clear()

    def release(self) -> None:
        """Pass a question on that was held."""
        self._kept = b""
        self._released.set()

    async def _admits(self) -> bool:
        self.connections += 1
        if self._whole:
            await asyncio.sleep(self.late_s)
            return True
        return False

    async def _carry(self, near: Streams, far: Streams) -> None:
        answered = asyncio.Event()
        answered.set()
        await asyncio.gather(self._ask(near[0], far[1], answered), self._pass(far[0], near[1], answered))

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answered: asyncio.Event) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._passing.wait()
                if self._kept and self._kept in data:
                    self.held.set()
                    await self._released.wait()
                if self._number and self._question in data:
                    self._number -= 1
                    if not self._number:
                        answered.clear()
                        self.held.set()
                writer.write(data)
                await writer.drain()
        answered.set()
        writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flows: asyncio.Event) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._passing.wait()
                await flows.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


def cable_to(dsn: str) -> AbstractAsyncContextManager[Cable]:
    """A cable to a database."""
    return laid(Cable(dsn))
