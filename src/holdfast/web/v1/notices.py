"""Notices."""

from typing import Annotated, Final

from msgspec import Meta

from holdfast.domain.notices import NoticeState
from holdfast.errors import Conflict
from holdfast.v1_wire.documents import Request
from holdfast.v1_wire.notices import (
    NoticeDocument,
    NoticesDocument,
    NoticesDone,
    NoticeTestDocument,
    NoticeTestsDocument,
    PlannedNoticeDocument,
    PlannedNoticesDocument,
    TestNotice,
    WhichNotices,
)
from holdfast.web.v1.operation import SOMEBODY, Answer, Call, Operation


class WhichState(Request):
    """Which notices."""

    state: Annotated[NoticeState | None, Meta(description="Only those in this state.")] = None
    limit: Annotated[int, Meta(ge=1, le=1_000)] = 100


class HowFarAhead(Request):
    """How far ahead to look."""

    days: Annotated[int, Meta(ge=0, le=3_650, description="How many days ahead to look.")] = 30


async def search(call: Call) -> Answer:
    """Notices."""
    query: WhichState = call.query
    found = await call.service.notices.search(state=query.state, limit=query.limit, context=call.caller)
    return Answer(NoticesDocument(items=[NoticeDocument.of(each) for each in found]))


async def preview(call: Call) -> Answer:
    """What will be told."""
    query: HowFarAhead = call.query
    found = await call.service.notices.preview(query.days, context=call.caller)
    return Answer(PlannedNoticesDocument(items=[PlannedNoticeDocument.of(each) for each in found]))


async def retry(call: Call) -> Answer:
    """They wait again."""
    body: WhichNotices = call.body
    return Answer(NoticesDone(number=await call.service.notices.retry(body.ids, context=call.caller)))


async def discard(call: Call) -> Answer:
    """They are given up."""
    body: WhichNotices = call.body
    return Answer(NoticesDone(number=await call.service.notices.discard(body.ids, context=call.caller)))


async def test(call: Call) -> Answer:
    """What became of a notice that says nothing."""
    body: TestNotice = call.body
    tried = await call.service.notices.test(body.recipient, context=call.caller)
    return Answer(NoticeTestsDocument(items=[NoticeTestDocument.of(each) for each in tried]))


_TAG: Final = "Notices"
_NEEDS: Final = "`operate` on `*`"

OPERATIONS: Final = (
    Operation(
        id="listNotices",
        method="GET",
        path="/v1/notices",
        summary="List what people were told or are to be told, newest first",
        needs=_NEEDS,
        tag=_TAG,
        handle=search,
        query=WhichState,
        answer=NoticesDocument,
    ),
    Operation(
        id="previewNotices",
        method="GET",
        path="/v1/notices:preview",
        summary="See what will be told of expiries and rotations, when, and who",
        needs=SOMEBODY,
        tag=_TAG,
        handle=preview,
        query=HowFarAhead,
        answer=PlannedNoticesDocument,
    ),
    Operation(
        id="retryNotices",
        method="POST",
        path="/v1/notices:retry",
        summary="Send notices after all that were given up: some of them, or every dead one",
        needs=_NEEDS,
        tag=_TAG,
        handle=retry,
        body=WhichNotices,
        answer=NoticesDone,
    ),
    Operation(
        id="discardNotices",
        method="POST",
        path="/v1/notices:discard",
        summary="Give up notices: some of them, or every dead one",
        needs=_NEEDS,
        tag=_TAG,
        handle=discard,
        body=WhichNotices,
        answer=NoticesDone,
    ),
    Operation(
        id="testNotices",
        method="POST",
        path="/v1/notices:test",
        summary="Send a notice that says nothing, at once: to a channel, an address, or through every channel",
        needs=_NEEDS,
        tag=_TAG,
        handle=test,
        body=TestNotice,
        answer=NoticeTestsDocument,
        errors=(Conflict,),
    ),
)
