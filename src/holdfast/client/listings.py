"""Listings by name, over an API that gives them out in pages with cursors."""

from typing import Final, Protocol, TypeVar

from holdfast.client.connection import Connection
from holdfast.domain.names import canonical_name
from holdfast.v1_wire.documents import Page

MAX_PAGE: Final = 1000
"""Items in one answer; the server's own limit."""


class _Named(Protocol):
    name: str


D = TypeVar("D", bound=_Named)


class Listings:
    """Goes on where an earlier page ended; asked for another place, it begins anew and skips."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._cursors: dict[tuple[str, str], str | None] = {}

    async def page(self, path: str, document: type[D], after: str | None, limit: int) -> list[D]:
        """Return up to ``limit`` entries in name order, those after ``after``."""
        start = canonical_name(after) if after is not None else ""
        cursor = self._cursors.pop((path, start), None)
        found: list[D] = []
        while len(found) < limit:
            query = {"limit": min(limit, MAX_PAGE), "cursor": cursor}
            kind: type[Page[D]] = Page[document]  # type: ignore[valid-type]  # made at run time
            page = await self._connection.call("GET", path, kind, query=query)
            found += [each for each in page.items if each.name.lower() > start]
            cursor = page.next_cursor
            if cursor is None:
                break
        if cursor is not None and len(found) == limit:
            self._cursors[path, found[-1].name.lower()] = cursor
        return found[:limit]
