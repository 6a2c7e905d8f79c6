"""Notices over the API."""

from collections.abc import Iterable

from holdfast.client.connection import Connection
from holdfast.domain.notices import Notice, NoticeTest, PlannedNotice
from holdfast.v1_wire.notices import (
    NoticesDocument,
    NoticesDone,
    NoticeTestsDocument,
    PlannedNoticesDocument,
    TestNotice,
    WhichNotices,
)


class RemoteNotices:
    """What ``service.notices`` is for a server. ``context`` is accepted and ignored: the token says who asks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def search(self, *, state: str | None = None, limit: int = 100, context: object = None) -> list[Notice]:
        """Return notices, newest first, in a state or all."""
        query = {"limit": limit, **({"state": str(state)} if state is not None else {})}
        found = await self._connection.call("GET", "/v1/notices", NoticesDocument, query=query)
        return [each.to(Notice) for each in found.items]

    async def preview(self, days: int = 30, *, context: object = None) -> list[PlannedNotice]:
        """Return what will be told of expiries and rotations within some days, soonest first."""
        query = {"days": days}
        found = await self._connection.call("GET", "/v1/notices:preview", PlannedNoticesDocument, query=query)
        return [each.to(PlannedNotice) for each in found.items]

    async def retry(self, ids: Iterable[int] | None = None, *, context: object = None) -> int:
        """Let dead notices be sent after all, these or every one; returns how many."""
        return await self._do("retry", ids)

    async def discard(self, ids: Iterable[int] | None = None, *, context: object = None) -> int:
        """Give up notices, these or every dead one; returns how many."""
        return await self._do("discard", ids)

    async def test(self, recipient: str | None = None, *, context: object = None) -> list[NoticeTest]:
        """Have the server send a notice that says nothing: to a channel, an address, or through every channel."""
        body = TestNotice(recipient=recipient)
        tried = await self._connection.call("POST", "/v1/notices:test", NoticeTestsDocument, body=body)
        return [each.to(NoticeTest) for each in tried.items]

    async def _do(self, verb: str, ids: Iterable[int] | None) -> int:
        body = WhichNotices(ids=None if ids is None else list(ids))
        return (await self._connection.call("POST", f"/v1/notices:{verb}", NoticesDone, body=body)).number
