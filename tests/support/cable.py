"""A cable between a node and PostgreSQL or Redis that a test can cut: both ends stay up, and nothing passes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit, urlunsplit


class Cable:
    """Listens on loopback and passes bytes on. ``cut`` ends every connection and refuses new ones; ``freeze`` keeps
    them, and nothing passes until ``mend``; ``hold_reply`` lets a question through, and never its answer;
    ``hold_question`` keeps a question until ``release``, though who asked has died meanwhile."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._ends: set[asyncio.StreamWriter] = set()
        self._whole = True
        self._passing = asyncio.Event()
        self._passing.set()
        self._server: asyncio.Server | None = None
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
        url = urlsplit(self._dsn)
        user, _, _ = url.netloc.rpartition("@")
        return urlunsplit(url._replace(netloc=f"{user}@127.0.0.1:{self.port}", query="sslmode=disable"))

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def lay(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def remove(self) -> None:
        assert self._server is not None
        self.cut()
        self._passing.set()
        self._server.close()
        await self._server.wait_closed()

    def cut(self) -> None:
        self._whole = False
        for end in self._ends:
            end.transport.abort()

    def freeze(self) -> None:
        self._passing.clear()

    def mend(self) -> None:
        self._whole = True
        self._passing.set()

    def hold_reply(self, question: bytes, number: int = 1) -> None:
        """Let the server get the question of this number from now on with these bytes in it, and nobody its answer."""
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

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if not self._whole:
            writer.transport.abort()
            return
        await asyncio.sleep(self.late_s)
        far_reader, far_writer = await self._connect()
        ends = {writer, far_writer}
        self._ends |= ends
        try:
            answered = asyncio.Event()
            answered.set()
            await asyncio.gather(self._ask(reader, far_writer, answered), self._pass(far_reader, writer, answered))
        finally:
            self._ends -= ends

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        url = urlsplit(self._dsn)
        folder = parse_qs(url.query).get("host", [""])[0]
        if folder.startswith("/"):
            return await asyncio.open_unix_connection(
                f"{folder}/.s.PGSQL.{parse_qs(url.query).get('port', ['5432'])[0]}"
            )
        return await asyncio.open_connection(url.hostname, url.port or 5432)

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


@asynccontextmanager
async def cable_to(dsn: str) -> AsyncIterator[Cable]:
    """A cable to a database."""
    cable = Cable(dsn)
    await cable.lay()
    try:
        yield cable
    finally:
        await cable.remove()
