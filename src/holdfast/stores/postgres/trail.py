"""Looking into the audit trail."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from holdfast.domain.audit import AuditPage, AuditQuery, AuditRecord
from holdfast.domain.chain import ChainId, Entry, entry_of
from holdfast.errors import InvalidInput
from holdfast.stores.postgres.audit import readable
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.queries import load

_COLUMN_OF: Final = {name: name for name in AuditRecord.__struct_fields__} | {"name": "secret_name"}
_CURSOR: Final = re.compile(r"(\d{1,17})-(\d{1,18})", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ALWAYS: Final = datetime(9999, 12, 31, tzinfo=UTC)
_MAX_ID: Final = 2**63 - 1

ENTRIES_AT_ONCE: Final = 5000
"""Rows of an export that are in memory at the same time."""

LONG_S: Final = 600.0
"""How long a statement may take that goes through many records, on behalf of somebody who waits for all of them."""

_Found: TypeAlias = tuple[AuditRecord, Mapping[str, Any] | None]
"""A record and its row, if it has its place already."""


class PostgresTrail:
    """Implements ``ports.AuditSearch``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = load("audit")

    async def search(self, query: AuditQuery) -> AuditPage:
        """See the port.

        Raises:
            InvalidInput: the cursor is none that a page named.
        """
        way = "by_secret" if query.name is not None else "by_user" if query.user_id is not None else "by_time"
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql[way], *_arguments(query))
        found: list[_Found] = [
            *((record_in(row), row) for row in rows if row["waiting"] is None),
            *((record, None) for row in rows if (record := _waiting(row)) is not None and query.fits(record)),
        ]
        found.sort(key=lambda each: each[0].timestamp, reverse=True)
        shown, left = found[: query.limit], found[query.limit :]
        return AuditPage(records=tuple(record for record, _ in shown), next_cursor=_next(shown, left))

    async def export(self, since: datetime | None, until: datetime | None) -> AsyncIterator[Sequence[Entry]]:
        """See the port."""
        async with self._database.connection() as connection:
            if since is None and until is None:
                stretches = await connection.fetch(self._sql["chains"], timeout=LONG_S)
            else:
                bounds = since or _EPOCH, until or _ALWAYS
                stretches = await connection.fetch(self._sql["stretches"], *bounds, timeout=LONG_S)
        for stretch in stretches:
            after = stretch["first"]
            while after <= stretch["last"]:
                async with self._database.connection() as connection:
                    rows = await connection.fetch(
                        self._sql["stretch"],
                        stretch["writer"],
                        stretch["boot"],
                        after,
                        stretch["last"],
                        ENTRIES_AT_ONCE,
                    )
                if not rows:
                    break
                yield list(map(entry_in, rows))
                after = rows[-1]["seq"] + 1


def _waiting(row: Mapping[str, Any]) -> AuditRecord | None:
    return readable(row["waiting"]) if row["waiting"] is not None else None


def record_in(row: Mapping[str, Any]) -> AuditRecord:
    """The record that a row of ``secret_access_logs`` holds."""
    return AuditRecord(**{name: row[column] for name, column in _COLUMN_OF.items()})


def entry_in(row: Mapping[str, Any]) -> Entry:
    """The record that a row holds, at its place in its chain."""
    return entry_of(ChainId(row["writer"], row["boot"]), row["seq"], record_in(row), row["hash"])


def _arguments(query: AuditQuery) -> tuple[Any, ...]:
    before, before_id = _position(query.cursor) if query.cursor is not None else (_ALWAYS, _MAX_ID)
    return (
        query.name,
        query.user_id,
        query.since or _EPOCH,
        query.until or _ALWAYS,
        before,
        before_id,
        query.operation,
        query.success,
        query.limit + 1,
        query.cursor is None,
    )


def _next(shown: Sequence[_Found], left: Sequence[_Found]) -> str | None:
    """The cursor behind the last record shown that has its place; those without are on a first page only."""
    rows = [row for _, row in shown if row is not None]
    following = [row for _, row in left if row is not None]
    if not following:
        return None
    row, beyond = (rows[-1], 0) if rows else (following[0], 1)
    return f"{(row['timestamp'] - _EPOCH) // timedelta(microseconds=1)}-{row['id'] + beyond}"


def _position(cursor: str) -> tuple[datetime, int]:
    parts = _CURSOR.fullmatch(cursor)
    if parts is None:
        raise InvalidInput("cursor must be one that a page before named as its next.", field="cursor")
    return _EPOCH + timedelta(microseconds=int(parts[1])), int(parts[2])
