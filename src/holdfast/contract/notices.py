"""Notices: what people were and will be told."""

from collections.abc import Iterable
from itertools import islice
from typing import Annotated, Final, Self

from msgspec import Meta
from msgspec.structs import replace

from holdfast.contract.row import Asked, Context, Facade, Http, Needs, Row
from holdfast.domain.notices import MAX_NOTICES, Notice, NoticeState, NoticeTest, PlannedNotice
from holdfast.domain.policy import Permission
from holdfast.domain.validation import (
    MAX_ADDRESS,
    MAX_DAYS,
    MAX_GENERATION,
    valid_choice,
    valid_days,
    valid_number,
    valid_recipient,
)
from holdfast.errors import Conflict, InvalidInput


class SearchNotices(Asked):
    """Which notices."""

    state: Annotated[NoticeState | None, Meta(description="Only those in this state.")] = None
    limit: Annotated[int, Meta(extra_json_schema={"minimum": 1, "maximum": MAX_NOTICES})] = 100

    def checked(self) -> Self:
        """See that the limit is one."""
        return replace(self, limit=valid_number("limit", self.limit, 1, MAX_NOTICES))


class PreviewNotices(Asked):
    """How far ahead to look."""

    days: Annotated[
        int,
        Meta(description="How many days ahead to look.", extra_json_schema={"minimum": 0, "maximum": MAX_DAYS}),
    ] = 30

    def checked(self) -> Self:
        """See that the days are some."""
        return replace(self, days=valid_days(self.days))


_Id = Annotated[int, Meta(extra_json_schema={"minimum": 1, "maximum": MAX_GENERATION})]
_Ids = Annotated[list[_Id], Meta(extra_json_schema={"minItems": 1, "maxItems": MAX_NOTICES})]


class WhichNotices(Asked):
    """Notices by their numbers; null: every dead one."""

    ids: _Ids | None = None

    def checked(self) -> Self:
        """See that they are numbers, and not too many."""
        if self.ids is None:
            return self
        if not 1 <= len(self.ids) <= MAX_NOTICES:
            raise InvalidInput(f"ids must name 1 to {MAX_NOTICES} notices; leave it out for all.", field="ids")
        return replace(self, ids=[valid_number("ids", each, 1, MAX_GENERATION) for each in self.ids])

    @classmethod
    def of(cls, ids: Iterable[int] | None) -> Self:
        """Return the request for these, or for every one."""
        return cls(ids=None if ids is None else list(islice(ids, MAX_NOTICES + 1)))


_RECIPIENT: Final = {
    "pattern": r"^([a-z][a-z0-9_-]{0,31}|[0-9A-Za-z.!#$%&'*+/=?^_{|}~-]+@[0-9A-Za-z.-]+)$",
    "minLength": 1,
    "maxLength": MAX_ADDRESS,
}


class TestNotice(Asked):
    """A channel or an e-mail address; null: every channel."""

    recipient: Annotated[str | None, Meta(extra_json_schema=_RECIPIENT)] = None

    def checked(self) -> Self:
        """See that it can be one."""
        return self if self.recipient is None else replace(self, recipient=valid_recipient(self.recipient))


_TAG: Final = "Notices"
_OPERATE: Final = (Permission.OPERATE,)

SEARCH: Final[Row[SearchNotices, list[Notice]]] = Row(
    record="notices",
    needs=_OPERATE,
    request=SearchNotices,
    answer=list[Notice],
    http=Http(
        id="listNotices",
        method="GET",
        path="/v1/notices",
        tag=_TAG,
        summary="List what people were told or are to be told, newest first",
        member="items",
        document="NoticesDocument",
        described="Notices, newest first.",
    ),
)
PREVIEW: Final[Row[PreviewNotices, list[PlannedNotice]]] = Row(
    record="notices.preview",
    needs=Needs.EACH,
    request=PreviewNotices,
    answer=list[PlannedNotice],
    http=Http(
        id="previewNotices",
        method="GET",
        path="/v1/notices:preview",
        tag=_TAG,
        summary="See what will be told of expiries and rotations, when, and who",
        member="items",
        document="PlannedNoticesDocument",
        described="What will be told, soonest first.",
    ),
)
RETRY: Final[Row[WhichNotices, int]] = Row(
    record="notices.retry",
    needs=_OPERATE,
    request=WhichNotices,
    answer=int,
    http=Http(
        id="retryNotices",
        method="POST",
        path="/v1/notices:retry",
        tag=_TAG,
        summary="Send notices after all that were given up: some of them, or every dead one",
        member="number",
        document="NoticesDone",
        described="How many notices it was done to.",
    ),
)
DISCARD: Final[Row[WhichNotices, int]] = Row(
    record="notices.discard",
    needs=_OPERATE,
    request=WhichNotices,
    answer=int,
    http=Http(
        id="discardNotices",
        method="POST",
        path="/v1/notices:discard",
        tag=_TAG,
        summary="Give up notices: some of them, or every dead one",
        member="number",
        document="NoticesDone",
        described="How many notices it was done to.",
    ),
)
TEST: Final[Row[TestNotice, list[NoticeTest]]] = Row(
    record="notices.test",
    needs=_OPERATE,
    request=TestNotice,
    answer=list[NoticeTest],
    http=Http(
        id="testNotices",
        method="POST",
        path="/v1/notices:test",
        tag=_TAG,
        summary="Send a notice that says nothing, at once: to a channel, an address, or through every channel",
        member="items",
        document="NoticeTestsDocument",
        described="One result for each recipient.",
        errors=(Conflict,),
    ),
)
ROWS: Final = (SEARCH, PREVIEW, RETRY, DISCARD, TEST)


class Notices(Facade):
    """What people are told: see it, see it coming, try it, settle what did not arrive.

    It takes the permission ``operate`` on '*', apart from ``preview``, which shows what the caller may list.
    """

    async def search(self, *, state: str | None = None, limit: int = 100, context: Context = None) -> list[Notice]:
        """Return notices, newest first: all, or those that are waiting, sent, dead or discarded."""
        wanted = None if state is None else valid_choice("state", NoticeState, state)
        return await self._run(SEARCH, SearchNotices(state=wanted, limit=limit), context)

    async def preview(self, days: int = 30, *, context: Context = None) -> list[PlannedNotice]:
        """Return what will be told of expiries and rotations within some days, soonest first. Nothing is sent."""
        return await self._run(PREVIEW, PreviewNotices(days=days), context)

    async def retry(self, ids: Iterable[int] | None = None, *, context: Context = None) -> int:
        """Let dead notices be sent after all, these or every one; return how many."""
        return await self._run(RETRY, WhichNotices.of(ids), context)

    async def discard(self, ids: Iterable[int] | None = None, *, context: Context = None) -> int:
        """Give up notices, these or every dead one, so that health is quiet about them; return how many."""
        return await self._run(DISCARD, WhichNotices.of(ids), context)

    async def test(self, recipient: str | None = None, *, context: Context = None) -> list[NoticeTest]:
        """Send a notice that says nothing, at once: to a channel or an address, or through every channel.

        Raises:
            Conflict: there is no such channel, or no way to send mail, or no channel at all.
        """
        return await self._run(TEST, TestNotice(recipient=recipient), context)
