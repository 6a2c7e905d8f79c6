"""How far a long command is, on stderr; nothing where nobody watches."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TypeAlias

from holdfast.cli import output

Progress: TypeAlias = Callable[[int, int], None]
"""Told (how much is done, of how much)."""


def watched() -> bool:
    """Whether a person looks on: stderr is a terminal, and no JSON was asked for."""
    return sys.stderr.isatty() and not output.wants_json()


@contextlib.contextmanager
def bar(what: str) -> Iterator[Progress]:
    """A bar, which goes away in the end."""
    if not watched():
        yield lambda done, total: None
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import, and seldom needed
    from rich.progress import Progress as Bars  # noqa: PLC0415

    with Bars(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


@contextlib.contextmanager
def line(text: str) -> Iterator[Callable[[str], None]]:
    """A line, for what has no end that is known; it begins with a text and is told others."""
    if not watched():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import, and seldom needed

    with Console(stderr=True).status(text) as status:
        yield status.update
