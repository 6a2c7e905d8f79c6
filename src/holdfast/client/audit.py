"""The audit trail of a server, with the methods that ``service.audit`` has."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Final

from holdfast.client.connection import Connection
from holdfast.domain.audit import AuditPage, AuditRecord
from holdfast.domain.chain import Entry, parse_line
from holdfast.domain.checkpoint import Gap
from holdfast.ports import StreamState, Unshipped
from holdfast.v1_wire.access import AuditDocument
from holdfast.v1_wire.audit import AcknowledgeGap, GapsDocument, KeysDocument, StreamsDocument, UnshippedListDocument
from holdfast.v1_wire.documents import Page

_ENTRIES_AT_ONCE: Final = 1000


class RemoteAudit:
    """Search, export and what it takes to check an export."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def search(
        self,
        *,
        name: str | None = None,
        user_id: str | None = None,
        operation: str | None = None,
        success: bool | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
        context: object = None,
    ) -> AuditPage:
        """Return the newest records that fit all that is given, newest first."""
        query = {
            "name": name,
            "user_id": user_id,
            "operation": operation,
            "limit": limit,
            "cursor": cursor,
            "success": None if success is None else str(success).lower(),
            **_bounds(since, until),
        }
        page = await self._connection.call("GET", "/v1/audit", Page[AuditDocument], query=query)
        records = tuple(each.to(AuditRecord) for each in page.items)
        return AuditPage(records=records, next_cursor=page.next_cursor)

    async def export(
        self, *, since: datetime | None = None, until: datetime | None = None, context: object = None
    ) -> AsyncIterator[Sequence[Entry]]:
        """Yield every record, some at a time: chain by chain, each in its own order."""
        some: list[Entry] = []
        async for line in self._connection.lines("/v1/audit/export", query=_bounds(since, until)):
            some.append(parse_line(line))
            if len(some) >= _ENTRIES_AT_ONCE:
                yield some
                some = []
        if some:
            yield some

    async def checkpoints(self, *, context: object = None) -> AsyncIterator[bytes]:
        """Yield all checkpoints, a line each."""
        async for line in self._connection.lines("/v1/audit/checkpoints"):
            yield line

    async def public_keys(self, *, context: object = None) -> list[bytes]:
        """Return the keys that checkpoints may be signed with, 32 bytes each."""
        found = await self._connection.call("GET", "/v1/audit/keys", KeysDocument)
        try:
            return [bytes.fromhex(line.rpartition(" ")[2]) for line in found.items]
        except ValueError:
            raise self._connection.other_answer() from None

    async def streams(self, *, context: object = None) -> list[StreamState]:
        """Return how the streams of the server's settings are doing."""
        found = await self._connection.call("GET", "/v1/audit/streams", StreamsDocument)
        return [each.to(StreamState) for each in found.items]

    async def gaps(self, *, context: object = None) -> list[Gap]:
        """Return which records are missing above the last checkpoint of their chain."""
        found = await self._connection.call("GET", "/v1/audit/gaps", GapsDocument)
        return [each.to(Gap) for each in found.items]

    async def unshipped(self, *, context: object = None) -> list[Unshipped]:
        """Return the nodes whose records no export has yet."""
        found = await self._connection.call("GET", "/v1/audit/unshipped", UnshippedListDocument)
        return [each.to(Unshipped) for each in found.items]

    async def acknowledge(self, gap: str, *, context: object = None) -> None:
        """Take note that the records of a gap are lost."""
        await self._connection.send("POST", "/v1/audit/gaps:acknowledge", body=AcknowledgeGap(gap=gap))


def _bounds(since: datetime | None, until: datetime | None) -> dict[str, object]:
    return {"since": since and since.isoformat(), "until": until and until.isoformat()}
