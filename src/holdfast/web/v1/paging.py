"""Listings in pages."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final, TypeVar

from msgspec import UNSET, Meta, UnsetType

from holdfast.domain.slices import Slice
from holdfast.v1_wire.documents import Page, Request
from holdfast.web.v1.cursors import MAX_CURSOR
from holdfast.web.v1.operation import Answer, Call

T = TypeVar("T")

MAX_PAGE: Final = 1_000
"""Items."""

Limit = Annotated[int, Meta(ge=1, le=MAX_PAGE, description="Items per page at most.")]
Cursor = Annotated[
    str, Meta(min_length=1, max_length=MAX_CURSOR, description="`next_cursor` of the page before, as it is.")
]


class Paged(Request):
    """Which page."""

    limit: Limit = 100
    cursor: Cursor | UnsetType = UNSET


def position(call: Call, *filters: str) -> str | None:
    """Return where the page begins that is asked for; None at the beginning."""
    cursor = call.query.cursor
    return None if cursor is UNSET else call.cursors.decode(_scope(call, filters), cursor)


def paged(call: Call, items: Iterable[T], end: str | None, *filters: str) -> Answer:
    """Return a page; ``end`` is the position it ends at when more follows."""
    cursor = None if end is None else call.cursors.encode(_scope(call, filters), end)
    page: Page[Any] = Page(items=list(items), next_cursor=cursor)
    return Answer(page)


def sliced(
    call: Call, found: Slice[T], document: Callable[[T], Any], keys: Callable[[T], str], *filters: str
) -> Answer:
    """Return a slice as a page; ``keys`` are those that the next one goes on after."""
    return paged(call, map(document, found.items), keys(found.items[-1]) if found.more else None, *filters)


def _scope(call: Call, filters: tuple[str, ...]) -> tuple[str, ...]:
    return (call.caller.id, call.operation.id, *call.path.values(), *filters)
