"""A pool whose connections are opened behind the calls: with TLS and a login that may take longer than a call may."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Final, final

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as Disconnected

from holdfast.resilience.tasks import stopped

OPENING_S: Final = 5.0
"""Seconds for one opening: the name, TCP, TLS, a token and the login."""

_waits: Final = ContextVar("waits_for_a_connection_to_redis", default=False)


@final
class OpenedPool(BlockingConnectionPool):
    """Gives out open connections only, and opens one after the other, never two at once.

    One is opened when a call finds none that is idle. The call may give up at any time; the opening goes on.

    Args:
        ended: is told how each opening ended: None if it is open, else the failure.
    """

    def __init__(self, *, ended: Callable[[Exception | None], None], **options: Any) -> None:
        super().__init__(socket_timeout=OPENING_S, socket_connect_timeout=OPENING_S, **options)
        self._ended, self._closed = ended, False
        self._idle = asyncio.Semaphore(0)  # as many as there are available connections
        self._stale: set[AbstractConnection] = set()
        self._waiting = 0
        self._opening: asyncio.Task[None] | None = None

    @property
    def kept_waiting(self) -> bool:
        """Whether the call of this task has got no connection: that it failed says nothing of the server."""
        return _waits.get()

    @property
    def in_use(self) -> bool:
        """Whether a call has one now."""
        return bool(self._in_use_connections)

    async def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> AbstractConnection:
        """Return an open connection.

        Raises:
            redis.exceptions.ConnectionError: none can be opened.
        """
        while True:
            await self._one_is_idle()
            connection = self._available_connections.pop()
            self._in_use_connections.add(connection)
            try:
                with suppress(Disconnected):
                    if connection.is_connected and not await connection.can_read():
                        return connection
                await _hang_up(connection)  # the server has closed it, or says what no one asked for
            finally:
                if not connection.is_connected:
                    await self.release(connection)

    async def release(self, connection: AbstractConnection) -> None:
        """Take a connection back, and forget it if it is broken or to be opened again."""
        self._in_use_connections.discard(connection)
        if connection in self._stale:
            self._stale.discard(connection)
            await _hang_up(connection)
        if connection.is_connected:
            self._keep(connection)
        elif self._waiting:
            self._open_behind()

    async def reopen(self) -> None:
        """Use no connection any more that is open now, once its call has ended."""
        self._stale |= self._in_use_connections
        for connection in self._available_connections:
            await _hang_up(connection)

    async def aclose(self) -> None:
        """Give up an opening, and hang up; a server that does not answer is not waited for."""
        self._closed = True
        if self._opening is not None:
            await stopped(self._opening)
        for connection in [*self._available_connections, *self._in_use_connections]:
            await _hang_up(connection)
        await super().aclose()

    async def _one_is_idle(self) -> None:
        _waits.set(True)
        if self._closed:
            raise Disconnected
        self._waiting += 1
        try:
            if self._too_few():
                self._open_behind()
            await self._idle.acquire()
        finally:
            self._waiting -= 1
        if not self._available_connections:  # woken, because it could not be opened
            raise Disconnected
        _waits.set(False)

    def _keep(self, connection: AbstractConnection) -> None:
        self._available_connections.append(connection)
        self._idle.release()

    def _open_behind(self) -> None:
        under_way = self._opening is not None and not self._opening.done()
        if not under_way and not self._closed and self._has_room():
            self._opening = asyncio.create_task(self._open(), name="opening a connection to Redis")

    def _too_few(self) -> bool:
        return self._waiting > len(self._available_connections)

    def _has_room(self) -> bool:
        return len(self._available_connections) + len(self._in_use_connections) < self.max_connections

    async def _open(self) -> None:
        wanted = True
        while wanted:
            connection: Any = self.connection_class(**self.connection_kwargs)
            try:
                async with asyncio.timeout(OPENING_S):
                    await connection.connect()
            except BaseException as error:
                await _hang_up(connection)
                if not isinstance(error, Exception):
                    raise
                self._give_up(error)
                return
            self._ended(None)
            self._keep(connection)
            wanted = self._too_few() and self._has_room()

    def _give_up(self, error: Exception) -> None:
        self._ended(error)
        for _ in range(self._waiting):
            self._idle.release()


async def _hang_up(connection: AbstractConnection) -> None:
    """Close it without a word: TLS would wait half a minute for the other side's goodbye, which may be gone."""
    writer = connection._writer  # noqa: SLF001 - nothing public leads to the transport
    if writer is not None:
        writer.transport.abort()
    await connection.disconnect(nowait=True)
