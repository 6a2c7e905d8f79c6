"""How far a report looks, and how its sentences are put."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from holdfast.domain.compliance import MAX_ROWS
from holdfast.ports.compliance import Queries

MAX_RECORDS: Final = 500_000
"""Audit records that a query looks at, the newest first: some seconds' worth, however long the trail is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Where evidence comes from. Audit records are looked at back to ``since``, ``records`` of them at most."""

    queries: Queries
    now: datetime
    since: datetime
    records: int = MAX_RECORDS

    _asked: dict[tuple[object, ...], Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    async def ask(self, query: str, *arguments: object) -> Sequence[Mapping[str, Any]]:
        """The rows that a query finds; what was asked before is not asked again."""
        key = (query, *arguments)
        if key not in self._asked:
            self._asked[key] = await self.queries.ask(query, *arguments)
        return self._asked[key]

    async def one(self, query: str, *arguments: object) -> Any:
        """The one row that a query finds."""
        (row,) = await self.ask(query, *arguments)
        return row

    @property
    def days(self) -> int:
        """How many days back."""
        return (self.now - self.since) // timedelta(days=1)


def share(part: int, whole: int) -> str:
    """A part of a whole, with the percentage where there is one, rounded down: 100 % means all of them."""
    return f"{part:,} of {whole:,}" + (f" ({100 * part // whole} %)" if whole else "")


def day(moment: datetime | None) -> str:
    """A moment, to the minute."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if moment is not None else "never"


def age(since: datetime | None, now: datetime) -> str:
    """How long ago."""
    if since is None:
        return "never"
    passed = now - since
    if passed >= timedelta(days=2):
        return f"{passed.days:,} days ago"
    if passed >= timedelta(hours=2):
        return f"{passed // timedelta(hours=1)} hours ago"
    return f"{max(0, passed // timedelta(minutes=1))} minutes ago"


def table(rows: Iterable[Sequence[object]]) -> tuple[tuple[str, ...], ...]:
    """Rows as text, as many as are shown."""
    return tuple(tuple(_cell(value) for value in row) for row in list(rows)[:MAX_ROWS])


def more(total: int) -> int:
    """How many rows are not shown."""
    return max(0, total - MAX_ROWS)


def joined(*sentences: str) -> str:
    """The sentences that there are."""
    return " ".join(sentence for sentence in sentences if sentence)


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return day(value)
    if isinstance(value, list | tuple | frozenset):
        return ", ".join(map(str, value))
    return "-" if value is None else str(value)
