"""Spans: what a piece of work was made of, and how long each part of it took.

Whoever begins work (a request, a read, a replay) has a ``Tracing`` and opens its first span. What it is made of says so
with ``traced``, which costs next to nothing where nobody has opened one. No names, no identities, no values: traces
leave the house for others' systems. The request id on the first span leads to the audit trail, which has names.
"""

import enum
from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from types import TracebackType
from typing import Final, Protocol, Self, TypeAlias

Fact: TypeAlias = str | int | float | bool
"""What may be said of a span: one of a few words that are known beforehand, a number, an id."""


class Side(enum.Enum):
    """Whose time a span is: a request's from outside, our own, or somebody else's whom we asked."""

    SERVER = "server"
    INSIDE = "inside"
    CLIENT = "client"


class Span(Protocol):
    """A part of some work, under way. An error that leaves it is told by its kind."""

    def note(self, **facts: Fact) -> None:
        """Say more of it."""


class Tracing(Protocol):
    """Keeps spans, or some of them: whoever enters one that is not kept is given ``UNTRACED``."""

    def span(
        self, name: str, side: Side, facts: Mapping[str, Fact], parent: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Span]:
        """Enter as a part of the work begins. ``parent``: W3C's headers of whoever asked for it."""

    def carried(self) -> Mapping[str, str]:
        """W3C's headers, with which somebody else can go on with the trace under way."""


class _Untraced:
    """A span that nobody keeps."""

    def note(self, **facts: Fact) -> None:
        """Forget it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let pass what comes."""


UNTRACED: Final = _Untraced()

under_way: Final[ContextVar[Tracing | None]] = ContextVar("tracing", default=None)
"""Who keeps the spans of what this task works on; set by whoever opens the first."""


def traced(name: str, side: Side = Side.INSIDE, **facts: Fact) -> AbstractContextManager[Span]:
    """Enter as a part of the work under way begins."""
    tracing = under_way.get()
    return UNTRACED if tracing is None else tracing.span(name, side, facts)


def carried() -> Mapping[str, str]:
    """Return the headers to send along to others with whom the work under way goes on."""
    tracing = under_way.get()
    return {} if tracing is None else tracing.carried()


def rooted(tracing: Tracing | None, name: str, **facts: Fact) -> AbstractContextManager[Span]:
    """Enter as some work begins: as a part of what is under way, or else as the first span of its own trace."""
    keeper = under_way.get() or tracing
    return UNTRACED if keeper is None else keeper.span(name, Side.INSIDE, facts)
