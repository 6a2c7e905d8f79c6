"""A port of loopback that leads elsewhere: what the cables and links that tests break have in common."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit, urlunsplit

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]


class Relay(ABC):
    """Listens on loopback; each connection gets one of its own to where ``connect`` leads."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._ends: set[asyncio.StreamWriter] = set()
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
        self._server.close()
        abort(self._ends)
        await self._server.wait_closed()

    @abstractmethod
    async def _admits(self) -> bool:
        """Whether a new connection is taken; it waits as long as this does."""

    @abstractmethod
    async def _carry(self, near: Streams, far: Streams) -> None:
        """Pass bytes on, in both directions, up to the end of the connection."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = {writer}
        try:
            if not await self._admits():
                return
            far = await self._connect()
            ends.add(far[1])
            self._ends |= ends
            await self._carry((reader, writer), far)
        except OSError:  # nothing is there
            return
        finally:
            abort(ends)
            self._ends -= ends


R = TypeVar("R", bound=Relay)


@asynccontextmanager
async def laid(relay: R) -> AsyncIterator[R]:
    """It listens for the length of a block."""
    await relay.lay()
    try:
        yield relay
    finally:
        await relay.remove()


def abort(ends: Iterable[asyncio.StreamWriter]) -> None:
    """End connections at once, with what is on its way in them."""
    for end in list(ends):
        end.transport.abort()


def to_database(dsn: str) -> Connect:
    """To a PostgreSQL at a port or a socket, or to a Redis at a port."""
    url = urlsplit(dsn)
    query = parse_qs(url.query)
    folder = query.get("host", [""])[0]
    if folder.startswith("/"):
        socket = f"{folder}/.s.PGSQL.{query.get('port', ['5432'])[0]}"
        return lambda: asyncio.open_unix_connection(socket)
    return lambda: asyncio.open_connection(url.hostname, url.port or 5432)


def dsn_through(port: int, dsn: str) -> str:
    """How to reach a PostgreSQL over a port of loopback."""
    url = urlsplit(dsn)
    user, _, _ = url.netloc.rpartition("@")
    return urlunsplit(url._replace(netloc=f"{user}@127.0.0.1:{port}", query="sslmode=disable"))
