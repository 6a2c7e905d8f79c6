"""Who holds what this process waits for in PostgreSQL: found while it waits, and told for some seconds after."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg

from holdfast.errors import HoldfastError
from holdfast.resilience.events import Event, Log
from holdfast.stores.postgres.clock import elapsed_s
from holdfast.stores.postgres.pools import Connection
from holdfast.stores.postgres.queries import load

_log: Final = Log(__name__)

LOOK_AFTER_S: Final = 0.1
"""Seconds of waiting after which it is asked who is in the way: soon enough for the shortest wait there is."""

LOOK_EVERY_S: Final = 1.0
"""Between two such questions: each looks through all locks."""

TOLD_FOR_S: Final = 10.0
"""How long a wait in vain is told of: by then it is over, or there was another."""

_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Holder:
    """A session in the way. ``age_s``: of its transaction; None where our role may not see it."""

    pid: int
    application: str
    age_s: float | None

    def told(self, since_s: float) -> str:
        """In words, so many seconds after it was seen. What it does is not ours to tell."""
        age = "" if self.age_s is None else f", for {self.age_s + since_s:.0f} s"
        return f"pid {self.pid} ({self.application or 'without a name'}{age})"


class Holders:
    """Watches over waits of this process.

    Args:
        lend: a connection to ask over, which waits for nothing.
    """

    def __init__(self, lend: Callable[[], AbstractAsyncContextManager[Connection]]) -> None:
        self._lend = lend
        self._seen: Sequence[Holder] = ()
        self._asked_at = self._seen_at = self._in_vain_at = float("-inf")
        self.asking: asyncio.Task[None] | None = None
        """The question under way."""

    @property
    def fault(self) -> str | None:
        """Who made this process wait in vain a moment ago; None if no one did."""
        now = elapsed_s()
        if now - self._in_vain_at > TOLD_FOR_S:
            return None
        if not self._seen or now - self._seen_at > 2 * TOLD_FOR_S:
            return "another session of PostgreSQL holds what this node needs"
        names = ", ".join(each.told(now - self._seen_at) for each in self._seen[:_NAMED])
        return f"another session of PostgreSQL holds what this node needs: {names}"

    @contextmanager
    def watching(self, connection: Connection) -> Iterator[None]:
        """Whatever is done over a connection meanwhile may have to wait."""
        loop = asyncio.get_running_loop()
        timer = loop.call_later(LOOK_AFTER_S, self._ask, connection.get_server_pid())
        try:
            yield
        except asyncpg.LockNotAvailableError:
            self._in_vain_at = elapsed_s()
            raise
        finally:
            timer.cancel()

    def _ask(self, pid: int) -> None:
        now = elapsed_s()
        if self.asking is None and now - self._asked_at >= LOOK_EVERY_S:
            self._asked_at = now
            self.asking = asyncio.create_task(self._look(pid), name="who holds the lock")

    async def _look(self, pid: int) -> None:
        """See who is in the way of a session of ours, and who is in the way of those."""
        try:
            async with self._lend() as connection:
                rows = await connection.fetch(load("connection")["holders"], pid, timeout=LOOK_EVERY_S)
        except HoldfastError as error:
            _log(Event.HOLDERS_NOT_KNOWN, reason=error)
        else:
            if rows:
                self._seen, self._seen_at = [Holder(*row) for row in rows], elapsed_s()
        finally:
            self.asking = None
