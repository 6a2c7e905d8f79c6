"""Emergency access."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Final

from msgspec import UNSET, Meta

from holdfast.domain.break_glass import EmergencyRequest
from holdfast.errors import Conflict, RequestNotFound, Throttled
from holdfast.v1_wire.access import Removed
from holdfast.v1_wire.break_glass import (
    AskForAccess,
    CodeSetDocument,
    CodeSets,
    Emergencies,
    EmergencyDocument,
    MakeCodes,
    NewCodesDocument,
    Redeem,
)
from holdfast.v1_wire.documents import Request
from holdfast.web.v1.operation import Answer, Call, Operation


class WhichEmergencies(Request):
    """Which requests."""

    open_only: Annotated[bool, Meta(description="Only those that wait, or have a grant.")] = False
    limit: Annotated[int, Meta(ge=1, le=1_000)] = 100


async def ask(call: Call) -> Answer:
    """A request that waits, or, where a second factor is enough, one that is granted."""
    body: AskForAccess = call.body
    made = await call.service.break_glass.request(
        body.name,
        reason=body.reason,
        permissions=body.permissions,
        duration=None if body.duration_s is UNSET else timedelta(seconds=body.duration_s),
        code=None if body.code is UNSET else body.code,
        context=call.caller,
    )
    return _answer(made)


async def requests(call: Call) -> Answer:
    """Requests that the caller may see."""
    query: WhichEmergencies = call.query
    found = await call.service.break_glass.list(open_only=query.open_only, limit=query.limit, context=call.caller)
    return Answer(Emergencies(items=[EmergencyDocument.of_request(each) for each in found]))


async def show(call: Call) -> Answer:
    """A request as it stands now."""
    return _answer(await call.service.break_glass.get(_number(call), context=call.caller))


async def approve(call: Call) -> Answer:
    """A request with one more yes."""
    return _answer(await call.service.break_glass.approve(_number(call), context=call.caller))


async def deny(call: Call) -> Answer:
    """A request refused."""
    return _answer(await call.service.break_glass.deny(_number(call), context=call.caller))


async def withdraw(call: Call) -> Answer:
    """A request taken back."""
    return _answer(await call.service.break_glass.withdraw(_number(call), context=call.caller))


async def revoke(call: Call) -> Answer:
    """A grant ended."""
    return _answer(await call.service.break_glass.revoke(_number(call), context=call.caller))


async def redeem(call: Call) -> Answer:
    """A request granted."""
    body: Redeem = call.body
    return _answer(await call.service.break_glass.redeem(_number(call), body.codes, context=call.caller))


async def make_codes(call: Call) -> Answer:
    """Codes, shown this once."""
    body: MakeCodes = call.body
    made = await call.service.break_glass.codes.create(
        body.name, number=body.number, threshold=body.threshold, context=call.caller
    )
    return Answer(NewCodesDocument(set=CodeSetDocument.of_set(made.set), codes=list(made.codes)))


async def list_codes(call: Call) -> Answer:
    """All sets."""
    found = await call.service.break_glass.codes.list(context=call.caller)
    return Answer(CodeSets(items=[CodeSetDocument.of_set(each) for each in found]))


async def remove_codes(call: Call) -> Answer:
    """A set made void."""
    removed = await call.service.break_glass.codes.remove(_number(call), context=call.caller)
    return Answer(Removed(removed=removed))


def _answer(request: EmergencyRequest) -> Answer:
    return Answer(EmergencyDocument.of_request(request))


def _number(call: Call) -> int:
    return int(call.path["number"])


_TAG: Final = "Emergency access"
_APPROVER: Final = "`approve` on all names of the request, which is somebody else's"


def _step(verb: str, summary: str, needs: str, handle: Callable[[Call], Awaitable[Answer]]) -> Operation:
    return Operation(
        id=f"{verb}Emergency",
        method="POST",
        path=f"/v1/break-glass/{{number}}/{verb}",
        summary=summary,
        needs=needs,
        tag=_TAG,
        handle=handle,
        answer=EmergencyDocument,
        body=Redeem if verb == "redeem" else None,
        errors=(RequestNotFound, Conflict),
    )


OPERATIONS: Final = (
    Operation(
        id="requestEmergency",
        method="POST",
        path="/v1/break-glass",
        summary="Ask for access in an emergency; all approvers are told",
        needs="a login",
        tag=_TAG,
        handle=ask,
        body=AskForAccess,
        answer=EmergencyDocument,
        status=HTTPStatus.CREATED,
        errors=(Throttled,),
    ),
    Operation(
        id="listEmergencies",
        method="GET",
        path="/v1/break-glass",
        summary="List requests for emergency access, newest first",
        needs="a login; shows one's own, and those on whose names the caller may approve, grant or audit",
        tag=_TAG,
        handle=requests,
        query=WhichEmergencies,
        answer=Emergencies,
    ),
    Operation(
        id="getEmergency",
        method="GET",
        path="/v1/break-glass/{number}",
        summary="See a request, and what became of it",
        needs="a login for one's own; `approve`, `grant` or `audit` on its names for others'",
        tag=_TAG,
        handle=show,
        answer=EmergencyDocument,
        errors=(RequestNotFound,),
    ),
    _step("approve", "Agree to a request; the last approver that it needs makes the grant", _APPROVER, approve),
    _step("deny", "Refuse a request: one no is enough", _APPROVER, deny),
    _step("withdraw", "Take one's own request back, or give its grant back early", "a login", withdraw),
    _step("revoke", "End a grant before its time", "`approve` or `grant` on all names of the request", revoke),
    _step("redeem", "Let recovery codes stand for the approvers of one's own request", "a login", redeem),
    Operation(
        id="createRecoveryCodes",
        method="POST",
        path="/v1/break-glass-codes",
        summary="Make recovery codes, shown this once; they do not work for who makes them",
        needs="`grant`, `approve` and all that may be asked for on the names",
        tag=_TAG,
        handle=make_codes,
        body=MakeCodes,
        answer=NewCodesDocument,
        status=HTTPStatus.CREATED,
    ),
    Operation(
        id="listRecoveryCodes",
        method="GET",
        path="/v1/break-glass-codes",
        summary="List the sets of recovery codes, without codes",
        needs="`grant` or `audit` on `*`",
        tag=_TAG,
        handle=list_codes,
        answer=CodeSets,
    ),
    Operation(
        id="removeRecoveryCodes",
        method="DELETE",
        path="/v1/break-glass-codes/{number}",
        summary="Make all codes of a set void",
        needs="`grant` on `*`",
        tag=_TAG,
        handle=remove_codes,
        answer=Removed,
    ),
)
