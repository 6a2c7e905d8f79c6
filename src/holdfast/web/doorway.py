"""Takes connections from a listening socket, and sees them through their TLS handshakes.

Until a handshake is through, no one knows who is there, and every one costs memory. So only some are in progress at a
time. On a full doorway the source that has most of them gives one up, if it has had its time; otherwise newcomers wait
in the system's queue.
"""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable
from typing import Final

from holdfast.auth.limiter import source_of
from holdfast.resilience.events import Log
from holdfast.resilience.outages import Outages

HANDSHAKE_PATIENCE_S: Final = 10.0
"""Seconds for a TLS handshake."""

GOODBYE_PATIENCE_S: Final = 5.0
"""Seconds in which the other end has to take what is left and close as well."""

SURE_S: Final = 0.25
"""Seconds that a handshake has in any case. Over a distance it takes two round trips."""

ACCEPTS_PER_TURN: Final = 16
_ACCEPTING: Final = "Taking connections"

PAUSE_S: Final = 1.0
"""Seconds until the next attempt, where the system has no descriptor left for a connection."""

_OF_THE_PEER: Final = frozenset(
    getattr(errno, name)
    for name in (
        *("ECONNABORTED", "ECONNRESET", "EPERM", "EPROTO", "ENOPROTOOPT", "EOPNOTSUPP", "ETIMEDOUT"),
        *("ENETDOWN", "ENETUNREACH", "EHOSTDOWN", "EHOSTUNREACH", "ENONET"),
    )
    if hasattr(errno, name)
)
"""What ails one connection that waited, or a firewall's rule about it (accept(2), "Error handling"). Anything else is a
lack of the system, or this socket, and would come again at once."""

_log: Final = Log(__name__)


class Doorway:
    """Accepts connections from ``listener``, with at most ``limit`` handshakes in progress."""

    def __init__(
        self, listener: socket.socket, context: ssl.SSLContext, make: Callable[[], asyncio.Protocol], limit: int
    ) -> None:
        self._listener, self._context, self._make, self._limit = listener, context, make, limit
        self._loop = asyncio.get_running_loop()
        self._pending: dict[str, dict[asyncio.Task[None], float]] = {}
        self._count = 0
        self._open = self._paused = False
        self._outages = Outages()

    def open(self, backlog: int) -> None:
        """Begin."""
        self._listener.listen(backlog)
        self._open = True
        self._loop.add_reader(self._listener, self._accept)

    def close(self) -> None:
        """Take no more connections, and give up handshakes in progress."""
        if self._open:
            self._loop.remove_reader(self._listener)
        self._open = False
        for tasks in self._pending.values():
            for task in tasks:
                task.cancel()

    async def wait_closed(self) -> None:
        """Wait until handshakes in progress are given up."""
        await asyncio.gather(*(task for tasks in self._pending.values() for task in tasks), return_exceptions=True)

    def _accept(self) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            if self._count >= self._limit and not self._made_room():
                return
            try:
                connection, address = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _OF_THE_PEER:
                    continue  # that connection is gone, and the next in the queue may be well
                self._outages.failed(_ACCEPTING, error.strerror or type(error).__name__)
                self._pause(PAUSE_S)
                return
            self._outages.works(_ACCEPTING)
            self._begin(connection, source_of(address[0]))

    def _begin(self, connection: socket.socket, source: str) -> None:
        connection.setblocking(False)
        task = self._loop.create_task(self._handshake(connection))
        self._pending.setdefault(source, {})[task] = self._loop.time()
        self._count += 1
        task.add_done_callback(lambda task: self._ended(source, task))

    async def _handshake(self, connection: socket.socket) -> None:
        # A client that fails at it is told by TLS itself, and does not concern us.
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._loop.connect_accepted_socket(
                self._make,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_PATIENCE_S,
                ssl_shutdown_timeout=GOODBYE_PATIENCE_S,
            )

    def _ended(self, source: str, task: asyncio.Task[None]) -> None:
        tasks = self._pending.get(source, {})
        if tasks.pop(task, None) is not None:  # else it has made room
            self._count -= 1
        if not tasks:
            self._pending.pop(source, None)
        self._resume()

    def _made_room(self) -> bool:
        largest = max(self._pending.values(), key=len)
        task, since = next(iter(largest.items()))
        left = since + SURE_S - self._loop.time()
        if left > 0:
            self._pause(left)
            return False
        del largest[task]
        self._count -= 1
        task.cancel()
        return True

    def _pause(self, seconds: float) -> None:
        if not self._paused:
            self._paused = True
            self._loop.remove_reader(self._listener)
            self._loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        if self._paused and self._open:
            self._loop.add_reader(self._listener, self._accept)
        self._paused = False
