"""Rotations."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Any, Final

from msgspec import Meta

from holdfast.errors import Conflict, RotationFailed, RotationInProgress, SecretNotFound
from holdfast.v1_wire.documents import Request
from holdfast.v1_wire.rotation import (
    RotationResultDocument,
    RotationResults,
    RotationRunDocument,
    RotationRuns,
    RotationStatusDocument,
    ScheduleRotation,
)
from holdfast.v1_wire.secrets import RotationPolicyDocument
from holdfast.web.v1.operation import SOMEBODY, Answer, Call, Operation


class WhichRuns(Request):
    """Which rotations."""

    open_only: Annotated[bool, Meta(description="Only those that are not over.")] = False
    limit: Annotated[int, Meta(ge=1, le=1_000)] = 100


async def rotate(call: Call) -> Answer:
    """How it ended, or where it stands."""
    return Answer(RotationResultDocument.of(await call.service.rotate_secret(call.name, context=call.caller)))


async def schedule(call: Call) -> Answer:
    """A policy in force."""
    body: ScheduleRotation = call.body
    policy = await call.service.schedule_rotation(
        call.name, body.interval_days, auto_rotate=body.auto_rotate, context=call.caller
    )
    return Answer(RotationPolicyDocument.of_policy(policy))


async def status(call: Call) -> Answer:
    """Where it stands."""
    return Answer(RotationStatusDocument.of(await call.service.rotations.status(call.name, context=call.caller)))


async def approve(call: Call) -> Answer:
    """It may go ahead."""
    await call.service.rotations.approve(call.name, context=call.caller)
    return Answer()


async def cancel(call: Call) -> Answer:
    """A rotation given up."""
    return Answer(RotationRunDocument.of(await call.service.rotations.cancel(call.name, context=call.caller)))


async def resume(call: Call) -> Answer:
    """A rotation that went on."""
    return Answer(RotationResultDocument.of(await call.service.rotations.resume(call.name, context=call.caller)))


async def retire(call: Call) -> Answer:
    """An old credential revoked."""
    return Answer(RotationResultDocument.of(await call.service.rotations.retire(call.name, context=call.caller)))


async def runs(call: Call) -> Answer:
    """Rotations."""
    query: WhichRuns = call.query
    found = await call.service.rotations.runs(open_only=query.open_only, limit=query.limit, context=call.caller)
    return Answer(RotationRuns(items=[RotationRunDocument.of(run) for run in found]))


async def execute(call: Call) -> Answer:
    """All that was due."""
    results = await call.service.execute_scheduled_rotations(context=call.caller)
    return Answer(RotationResults(items=[RotationResultDocument.of(result) for result in results]))


def _step(
    verb: str,
    summary: str,
    handle: Callable[[Call], Awaitable[Answer]],
    answer: Any,
    http_status: HTTPStatus = HTTPStatus.OK,
) -> Operation:
    return Operation(
        id=f"{verb}Rotation",
        method="POST",
        path=f"/v1/secrets/{{name}}/rotation:{verb}",
        summary=summary,
        needs="`rotate` on the secret",
        tag="Rotation",
        handle=handle,
        answer=answer,
        status=http_status,
        errors=(SecretNotFound, Conflict, RotationFailed),
    )


OPERATIONS: Final = (
    Operation(
        id="rotateSecret",
        method="POST",
        path="/v1/secrets/{name}/rotate",
        summary="Rotate a secret now, with its handler",
        needs="`rotate` on the secret",
        tag="Rotation",
        handle=rotate,
        answer=RotationResultDocument,
        errors=(SecretNotFound, RotationInProgress, RotationFailed, Conflict),
    ),
    Operation(
        id="getRotation",
        method="GET",
        path="/v1/secrets/{name}/rotation",
        summary="See schedule, last or present rotation, and who still uses the credential before",
        needs="`rotate` or `list` on the secret",
        tag="Rotation",
        handle=status,
        answer=RotationStatusDocument,
        errors=(SecretNotFound,),
    ),
    Operation(
        id="scheduleRotation",
        method="PUT",
        path="/v1/secrets/{name}/rotation",
        summary="Rotate a secret every so many days from now on",
        needs="`rotate` on the secret",
        tag="Rotation",
        handle=schedule,
        body=ScheduleRotation,
        answer=RotationPolicyDocument,
        errors=(SecretNotFound, Conflict),
    ),
    _step(
        "approve",
        "Let a due rotation go ahead whose policy asks a person first",
        approve,
        answer=None,
        http_status=HTTPStatus.NO_CONTENT,
    ),
    _step(
        "cancel", "Give up a rotation while the current credential cannot be lost to it", cancel, RotationRunDocument
    ),
    _step("resume", "Go on with a rotation now", resume, RotationResultDocument),
    _step("retire", "Revoke the credential that a rotation replaced", retire, RotationResultDocument),
    Operation(
        id="listRotations",
        method="GET",
        path="/v1/rotations",
        summary="List rotations, newest first",
        needs=SOMEBODY,
        tag="Rotation",
        handle=runs,
        query=WhichRuns,
        answer=RotationRuns,
    ),
    Operation(
        id="executeRotations",
        method="POST",
        path="/v1/rotations:execute",
        summary="Rotate all that is due and may go ahead, and go on with what was left",
        needs="`rotate` on `*`",
        tag="Rotation",
        handle=execute,
        answer=RotationResults,
    ),
)
