"""Every point of the code at which a process is killed, and how one is made to die there.

A point's name is that of its module and its own: ``applying.sent``.
"""

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Final

import holdfast.bootstrap.node
import holdfast.service
from holdfast.service.crashpoints import Crashpoint, no_crash

ANY: Final = "node.any moment"
WORKER: Final = "worker.any moment"
SERVER: Final = "server.any moment"
BACKEND: Final = "postgres.backend"
POSTMASTER: Final = "postgres.postmaster"
MOMENTS: Final = (ANY, WORKER, SERVER, BACKEND, POSTMASTER)
"""What is killed whenever it happens to be."""

_PASSED: Final = re.compile(r"_?crashpoint\(\s*(?P<named>[\"'](\w+)[\"']\))?")


def in_source() -> set[str]:
    """The points that the code passes.

    Raises:
        ValueError: one has no name that is written there.
    """
    found = set[str]()
    for file in Path(holdfast.service.__path__[0]).rglob("*.py"):
        for passed in _PASSED.finditer(file.read_text()):
            if passed["named"] is None:
                raise ValueError(f"a computed point in {file.name}")
            found.add(f"{file.stem}.{passed[2]}")
    return found


def all_points() -> list[str]:
    """All that are to be hit."""
    return [*sorted(in_source()), *MOMENTS]


def watch(passed: Callable[[str], None]) -> None:
    """Let this process say which points it passes; for a process that has no node yet."""

    def crashpoint(name: str) -> None:
        passed(f"{Path(sys._getframe(1).f_code.co_filename).stem}.{name}")

    for function in takers():
        assert function.__kwdefaults__ is not None
        function.__kwdefaults__["crashpoint"] = crashpoint


def die_at(point: str, after: int, farewell: Callable[[], None], ripe: Callable[[], bool] = lambda: True) -> None:
    """Let this process be killed as it passes a point, once it is ripe for that and has passed it so many times."""
    left = after

    def passed(name: str) -> None:
        nonlocal left
        if name == point and ripe():
            left -= 1
            if left < 0:
                farewell()
                os.kill(os.getpid(), signal.SIGKILL)

    watch(passed)


def takers() -> Iterator[FunctionType]:
    """Every function that can be told what to do at points."""
    for name, module in list(sys.modules.items()):
        if name.startswith("holdfast.service."):
            for each in vars(module).values():
                taker = vars(each).get("__init__") if isinstance(each, type) else each
                if isinstance(taker, FunctionType) and _takes(taker):
                    yield taker


def _takes(taker: FunctionType) -> bool:
    given: Crashpoint | None = (taker.__kwdefaults__ or {}).get("crashpoint")
    return given is no_crash
