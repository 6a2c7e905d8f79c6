"""The audit trail: searched, exported, and what it takes to check it."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, Final

from msgspec import UNSET, Meta, UnsetType

from holdfast.crypto.signing import key_line
from holdfast.errors import Conflict
from holdfast.v1_wire.access import AuditDocument
from holdfast.v1_wire.audit import (
    AcknowledgeGap,
    GapDocument,
    GapsDocument,
    KeysDocument,
    StreamDocument,
    StreamsDocument,
    UnshippedDocument,
    UnshippedListDocument,
)
from holdfast.v1_wire.documents import Identity, Moment, Page, Request
from holdfast.web.v1.operation import LINES, Answer, Call, Operation
from holdfast.web.v1.paging import Cursor, Limit, paged, position


class Search(Request):
    """Which records: all that fit everything that is given, and which page of them."""

    name: (
        Annotated[
            str,
            Meta(
                pattern=r"^(\*|[0-9A-Za-z-]{1,127})$", description="A secret's name; `*`: what was about no one secret."
            ),
        ]
        | UnsetType
    ) = UNSET
    user_id: Identity | UnsetType = UNSET
    operation: Annotated[str, Meta(pattern="^[a-z._-]{1,64}$")] | UnsetType = UNSET
    success: bool | UnsetType = UNSET
    since: Moment | UnsetType = UNSET
    until: Moment | UnsetType = UNSET
    limit: Limit = 50
    cursor: Cursor | UnsetType = UNSET

    def filters(self) -> dict[str, object]:
        """What is given, by name."""
        names = ("name", "user_id", "operation", "success", "since", "until")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not UNSET}


class Stretch(Request):
    """From when to when."""

    since: Moment | UnsetType = UNSET
    until: Moment | UnsetType = UNSET


async def search(call: Call) -> Answer:
    """A page of records, newest first."""
    filters = call.query.filters()
    bound = tuple(f"{name}={value}" for name, value in filters.items())
    page = await call.service.audit.search(
        **filters, limit=call.query.limit, cursor=position(call, *bound), context=call.caller
    )
    return paged(call, map(AuditDocument.of, page.records), page.next_cursor, *bound)


async def export(call: Call) -> Answer:
    """Every record, a line each."""
    query: Stretch = call.query
    entries = call.service.audit.export(
        since=None if query.since is UNSET else query.since,
        until=None if query.until is UNSET else query.until,
        context=call.caller,
    )
    return Answer(lines=await _begun(b"".join(each.line() + b"\n" for each in some) async for some in entries))


async def checkpoints(call: Call) -> Answer:
    """Every checkpoint, a line each."""
    lines = call.service.audit.checkpoints(context=call.caller)
    return Answer(lines=await _begun(line + b"\n" async for line in lines))


async def keys(call: Call) -> Answer:
    """What checkpoints are signed with."""
    return Answer(
        KeysDocument(items=[key_line(key) for key in await call.service.audit.public_keys(context=call.caller)])
    )


async def streams(call: Call) -> Answer:
    """Where the trail is sent to."""
    found = await call.service.audit.streams(context=call.caller)
    return Answer(StreamsDocument(items=[StreamDocument.of(each) for each in found]))


async def gaps(call: Call) -> Answer:
    """What is missing."""
    found = await call.service.audit.gaps(context=call.caller)
    return Answer(GapsDocument(items=[GapDocument.of(each) for each in found]))


async def unshipped(call: Call) -> Answer:
    """Which nodes have records that no export has yet."""
    found = await call.service.audit.unshipped(context=call.caller)
    return Answer(UnshippedListDocument(items=[UnshippedDocument.of(each) for each in found]))


async def acknowledge(call: Call) -> Answer:
    """The trail goes on after a gap."""
    body: AcknowledgeGap = call.body
    await call.service.audit.acknowledge(body.gap, context=call.caller)
    return Answer()


async def _begun(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same parts, of which the first is there: a refusal comes before the answer has begun."""
    first = await anext(parts, b"")

    async def all_parts() -> AsyncIterator[bytes]:
        yield first
        async for part in parts:
            yield part

    return all_parts()


_TAG: Final = "Audit"

OPERATIONS: Final = (
    Operation(
        id="searchAudit",
        method="GET",
        path="/v1/audit",
        summary="Search the audit trail, newest first",
        needs="`audit` on the secret, or on `*`",
        tag=_TAG,
        handle=search,
        query=Search,
        answer=Page[AuditDocument],
    ),
    Operation(
        id="exportAudit",
        method="GET",
        path="/v1/audit/export",
        summary="Export the audit trail, a line of JSON for each record, to be checked with `holdfast audit verify`",
        needs="`audit` on `*`",
        tag=_TAG,
        handle=export,
        query=Stretch,
        answer=LINES,
    ),
    Operation(
        id="exportCheckpoints",
        method="GET",
        path="/v1/audit/checkpoints",
        summary="Make a checkpoint of what has none yet, and export all, a line each",
        needs="`audit` on `*`",
        tag=_TAG,
        handle=checkpoints,
        answer=LINES,
    ),
    Operation(
        id="listAuditKeys",
        method="GET",
        path="/v1/audit/keys",
        summary="Get the public keys that checkpoints are signed with; keep them where nobody can exchange them",
        needs="`audit` on `*`",
        tag=_TAG,
        handle=keys,
        answer=KeysDocument,
    ),
    Operation(
        id="listAuditStreams",
        method="GET",
        path="/v1/audit/streams",
        summary="See where records are sent to, and how that goes",
        needs="`audit` on `*`",
        tag=_TAG,
        handle=streams,
        answer=StreamsDocument,
    ),
    Operation(
        id="listAuditGaps",
        method="GET",
        path="/v1/audit/gaps",
        summary="See which records are missing above the last checkpoint of their chain",
        needs="`audit` on `*`",
        tag=_TAG,
        handle=gaps,
        answer=GapsDocument,
    ),
    Operation(
        id="listUnshipped",
        method="GET",
        path="/v1/audit/unshipped",
        summary="See which nodes have, or may have, records in their data folders that no export has yet",
        needs="`audit` on `*`",
        tag=_TAG,
        handle=unshipped,
        answer=UnshippedListDocument,
    ),
    Operation(
        id="acknowledgeAuditGap",
        method="POST",
        path="/v1/audit/gaps:acknowledge",
        summary="Take note that the records of a gap are lost: checkpoints and streams go on, verifiers still tell",
        needs="`operate` on `*`",
        tag=_TAG,
        handle=acknowledge,
        body=AcknowledgeGap,
        status=HTTPStatus.NO_CONTENT,
        errors=(Conflict,),
    ),
)
