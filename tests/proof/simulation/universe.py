"""Time, chance and the disk of a process, taken over before anything of the product is loaded.

As ``libfaketime`` would do it, so that the product has no line for it: only the process that simulates may call
``take_over``, and it does nothing else.
"""

import asyncio  # noqa: TC003 - a base of what is made here needs it anyway
import errno
import os
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from tests.support.virtual_time import VirtualTimeLoop

T = TypeVar("T")

BEGINNING: Final = datetime(2026, 12, 1, tzinfo=UTC)
"""The moment at which every simulation begins."""

_files: Final = {name: getattr(os, name) for name in ("write", "fdatasync", "ftruncate")}


class Universe(VirtualTimeLoop):
    """One simulation: its clock, its dice, and the threads that its nodes ask for, which run at once.

    ``thread``: what becomes of a call that is to run in a thread. ``fails``: whether a call of the system fails.
    """

    def __init__(self, seed: str) -> None:
        super().__init__()
        self.dice = random.Random(f"chance {seed}")
        self.fails: Callable[[str], bool] = lambda name: False
        self.thread: Callable[[Callable[[], Any]], asyncio.Future[Any]] = self._at_once

    def moment(self) -> datetime:
        """What every clock shows."""
        return BEGINNING + timedelta(seconds=self.time())

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> "asyncio.Future[T]":  # type: ignore[override]
        """See ``thread``."""
        return self.thread(lambda: func(*args))

    def _at_once(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        done: asyncio.Future[T] = self.create_future()
        done.set_result(work())
        return done


_now: list[Universe] = []


def enter(universe: Universe) -> None:
    """Let all that asks for time or chance from now on ask this one."""
    _now[:] = [universe]
    random.seed(universe.dice.random())


def take_over() -> None:
    """Let the process ask the universe for time, chance and what its disk says."""
    chance: Any = random
    chance._urandom = os.urandom = lambda size: _now[0].dice.randbytes(size) if _now else bytes(size)
    time.monotonic = lambda: _now[0].time() if _now else 0.0
    time.clock_gettime = lambda clock: time.monotonic()
    for name in _files:
        setattr(os, name, _system_call(name))


def _system_call(name: str) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        if _now and _now[0].fails(name):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return _files[name](*args)

    return call
