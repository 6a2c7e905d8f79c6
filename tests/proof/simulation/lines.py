"""The way from a node to what is outside it: what is asked goes out, is done, and is answered, or not."""

import asyncio
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import asyncpg

from holdfast.errors import HoldfastError
from tests.proof.simulation.fates import Fate, Fates, Kind, Way

T = TypeVar("T")

_SAID: Final = (HoldfastError, asyncpg.PostgresError, OSError)
"""What the other side may answer; any other error is one of the simulation."""

Later = Callable[[Callable[[], None]], object]
"""Calls when something may arrive."""


class Answer(Generic[T]):
    """The answer to one question, on its way back."""

    def __init__(self, future: "asyncio.Future[T]", fate: Fate, broken: BaseException, later: Later | None) -> None:
        self._future, self._fate, self._broken, self._later = future, fate, broken, later

    def of(self, work: Callable[[], T]) -> None:
        """Do the work, and answer with what comes of it."""
        try:
            result = work()
        except _SAID as error:
            self.refuse(error)
        else:
            self.give(result)

    def give(self, result: T) -> None:
        """It was done."""
        if self._fate.way is None:
            self._deliver(lambda: self._future.set_result(result))
        elif self._fate.way is Way.LOST:
            self.break_off()

    def refuse(self, error: BaseException) -> None:
        """The other side says no; that may get lost as well."""
        if self._fate.way is None:
            self._deliver(lambda: self._future.set_exception(error))
        elif self._fate.way is Way.LOST:
            self.break_off()

    def break_off(self) -> None:
        """The way back is broken, and the one who asked sees that."""
        self._deliver(lambda: self._future.set_exception(self._broken))

    def _deliver(self, deliver: Callable[[], None]) -> None:
        def arrive() -> None:
            if not self._future.done():
                deliver()

        if self._later is None:
            arrive()
        else:
            self._later(arrive)


class Line:
    """All that one life of a node asks outside. ``cut``: the process is gone, and what it asked goes on without it."""

    def __init__(self, fates: Fates, node: int) -> None:
        self.fates, self.node, self.cut = fates, node, False

    async def ask(self, kind: Kind, work: Callable[[], T], broken: Callable[[Way], BaseException]) -> T:
        """Ask for work that is done at one moment."""
        return await self.send(kind, lambda answer: answer.of(work), broken)

    def send(
        self,
        kind: Kind,
        serve: "Callable[[Answer[T]], None]",
        broken: Callable[[Way], BaseException],
        later: Later | None = None,
        under_way: Callable[[], None] = lambda: None,
    ) -> "asyncio.Future[T]":
        """Ask. ``serve`` is called where and when it is done; ``broken`` says how an error looks from here.

        ``later``: how answers come back, if not at once: all of the time goes by on the way there. ``under_way``:
        called if it will be served.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        if self.cut:
            return future
        fate = self.fates.of(kind, self.node)
        answer = Answer(future, fate, broken(fate.way or Way.REFUSED), later)
        if fate.way is Way.REFUSED:
            loop.call_later(fate.takes_s, answer.break_off)
        elif fate.way is not Way.HUNG:
            under_way()
            loop.call_later(fate.late_s if fate.way is Way.LATE else fate.takes_s, serve, answer)
        return future
