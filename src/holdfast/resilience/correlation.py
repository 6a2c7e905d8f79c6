"""The id under which a request, or a piece of background work, is found again in logs, records and traces."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_current: Final[ContextVar[str | None]] = ContextVar("correlation", default=None)


def correlation_id() -> str | None:
    """The id of what this task works on; None where nobody has said."""
    return _current.get()


def correlate(an_id: str) -> None:
    """Let this task, and those it begins from now on, work under an id."""
    _current.set(an_id)


@contextmanager
def correlated(an_id: str | None) -> Iterator[None]:
    """Work under an id until the end of the block; None leaves the one there is."""
    if an_id is None:
        yield
        return
    token = _current.set(an_id)
    try:
        yield
    finally:
        _current.reset(token)
