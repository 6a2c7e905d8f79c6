"""Secrets and their versions."""

import asyncio
from http import HTTPStatus
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta

from holdfast.domain.secret import Secret, WriteResult
from holdfast.errors import (
    Conflict,
    CredentialRetired,
    GenerationMismatch,
    IdempotencyMismatch,
    RotationFailed,
    RotationInProgress,
    SecretDeleted,
    SecretNotFound,
    SecretUnusable,
    VersionNotFound,
)
from holdfast.v1_wire.documents import Page, Request
from holdfast.v1_wire.secrets import (
    BatchGet,
    BatchItem,
    BatchOutcome,
    BatchOutcomes,
    Rollback,
    SecretDocument,
    SetSecret,
    SummaryDocument,
    UpdateSecret,
    VersionDocument,
    WrittenDocument,
)
from holdfast.web.errors import log_internal
from holdfast.web.v1.cursors import cut
from holdfast.web.v1.operation import SOMEBODY, Answer, Call, Operation
from holdfast.web.v1.paging import Paged, paged, position
from holdfast.web.v1.preconditions import Precondition, etag, expected_generation, idempotency_key
from holdfast.web.v1.problems import problem_of

_AT_ONCE: Final = 16
"""Items of a batch read at the same time: enough to hide latency, few enough to leave connections for others."""


class WhichStage(Request):
    """Which of the versions that a rotation leaves behind."""

    stage: Annotated[
        Literal["current", "previous"],
        Meta(description="`previous`: what a rotation replaced, while its credential still works at the target."),
    ] = "current"


async def list_secrets(call: Call) -> Answer:
    """A page of the secrets that the caller may list."""
    size = call.query.limit
    found = await call.service.list_secrets(after=position(call), limit=size + 1, context=call.caller)
    page = found[:size]
    return paged(call, map(SummaryDocument.of_summary, page), page[-1].name if len(found) > size else None)


async def get_secret(call: Call) -> Answer:
    """The current version with its value."""
    return _secret(await call.service.get_secret(call.name, stage=call.query.stage, context=call.caller))


async def set_secret(call: Call) -> Answer:
    """A new current version."""
    body: SetSecret = call.body
    result = await call.service.set_secret(
        call.name,
        body.value,
        expected_generation=expected_generation(call.exchange),
        idempotency_key=idempotency_key(call.exchange),
        context=call.caller,
        **body.options(),
    )
    return _written(result)


async def update_secret(call: Call) -> Answer:
    """Attributes of the current version, or of the one in the path."""
    body: UpdateSecret = call.body
    version = await call.service.update_secret(
        call.name,
        version=call.version if "version" in call.path else None,
        expected_generation=expected_generation(call.exchange),
        context=call.caller,
        **body.options(),
    )
    return Answer(VersionDocument.of_version(version))


async def list_versions(call: Call) -> Answer:
    """A page of a secret's versions, oldest first."""
    after = position(call)
    versions = await call.service.list_secret_versions(call.name, context=call.caller)
    page, end = cut(versions, call.query.limit, after, lambda each: f"{each.version:019}")
    return paged(call, map(VersionDocument.of_version, page), end)


async def get_version(call: Call) -> Answer:
    """One version with its value."""
    return _secret(await call.service.get_secret_version(call.name, call.version, context=call.caller))


async def rollback_secret(call: Call) -> Answer:
    """An earlier value as a new version."""
    body: Rollback = call.body
    result = await call.service.rollback_secret(
        call.name,
        body.version,
        reapply=body.reapply,
        expected_generation=expected_generation(call.exchange),
        idempotency_key=idempotency_key(call.exchange),
        context=call.caller,
    )
    return _written(result)


async def batch_get(call: Call) -> Answer:
    """Several secrets at once. Each is authorised and recorded by itself, and fails by itself."""
    body: BatchGet = call.body
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(item: BatchItem) -> BatchOutcome:
        async with places:
            return await _outcome(call, item)

    return Answer(BatchOutcomes(items=await asyncio.gather(*map(one, body.items))))


async def _outcome(call: Call, item: BatchItem) -> BatchOutcome:
    try:
        if item.version is UNSET:
            secret = await call.service.get_secret(item.name, context=call.caller)
        else:
            secret = await call.service.get_secret_version(item.name, item.version, context=call.caller)
    except Exception as error:  # whatever ails one item is no reason to fail the others
        log_internal(error, call.exchange.request_id)
        shown = problem_of(error, call.exchange.request_id)
        return BatchOutcome(name=item.name, status=shown.status, problem=shown)
    return BatchOutcome(name=item.name, status=HTTPStatus.OK, secret=SecretDocument.of_secret(secret))


def _items(body: BatchGet) -> int:
    return len(body.items)


def _secret(secret: Secret) -> Answer:
    return Answer(SecretDocument.of_secret(secret), etag(secret.version))


def _written(result: WriteResult) -> Answer:
    return Answer(WrittenDocument.of(result), etag(result.version))


_READS: Final = (SecretNotFound, SecretUnusable)
_CONDITIONAL: Final = (Precondition.IF_MATCH, Precondition.IF_NONE_MATCH, Precondition.IDEMPOTENCY_KEY)
_WRITES: Final = (SecretNotFound, SecretDeleted, IdempotencyMismatch, GenerationMismatch, Conflict)

OPERATIONS: Final = (
    Operation(
        id="listSecrets",
        method="GET",
        path="/v1/secrets",
        summary="List secrets, without their values",
        needs=SOMEBODY,
        tag="Secrets",
        handle=list_secrets,
        query=Paged,
        answer=Page[SummaryDocument],
    ),
    Operation(
        id="getSecret",
        method="GET",
        path="/v1/secrets/{name}",
        summary="Read a secret",
        needs="`get` on the secret",
        tag="Secrets",
        handle=get_secret,
        query=WhichStage,
        answer=SecretDocument,
        response_headers=("ETag",),
        errors=_READS,
    ),
    Operation(
        id="setSecret",
        method="PUT",
        path="/v1/secrets/{name}",
        summary="Make a new version the current one, creating the secret if need be",
        needs="`set` on the secret",
        tag="Secrets",
        handle=set_secret,
        body=SetSecret,
        answer=WrittenDocument,
        preconditions=_CONDITIONAL,
        response_headers=("ETag",),
        errors=_WRITES,
    ),
    Operation(
        id="updateSecret",
        method="PATCH",
        path="/v1/secrets/{name}",
        summary="Change attributes of the current version, or of the secret, without a new version",
        needs="`set` on the secret",
        tag="Secrets",
        handle=update_secret,
        body=UpdateSecret,
        answer=VersionDocument,
        preconditions=(Precondition.IF_MATCH,),
        errors=_WRITES,
    ),
    Operation(
        id="batchGetSecrets",
        method="POST",
        path="/v1/secrets:batch-get",
        summary="Read up to 100 secrets, each with an outcome of its own",
        needs="a login; `get` on each secret",
        tag="Secrets",
        handle=batch_get,
        body=BatchGet,
        cost=_items,
        answer=BatchOutcomes,
    ),
    Operation(
        id="listVersions",
        method="GET",
        path="/v1/secrets/{name}/versions",
        summary="List a secret's versions, oldest first, without their values",
        needs="`list` on the secret",
        tag="Versions",
        handle=list_versions,
        query=Paged,
        answer=Page[VersionDocument],
        errors=(SecretNotFound,),
    ),
    Operation(
        id="getVersion",
        method="GET",
        path="/v1/secrets/{name}/versions/{version}",
        summary="Read one version of a secret",
        needs="`get` on the secret",
        tag="Versions",
        handle=get_version,
        answer=SecretDocument,
        response_headers=("ETag",),
        errors=(VersionNotFound, *_READS),
    ),
    Operation(
        id="updateVersion",
        method="PATCH",
        path="/v1/secrets/{name}/versions/{version}",
        summary="Change attributes of one version",
        needs="`set` on the secret",
        tag="Versions",
        handle=update_secret,
        body=UpdateSecret,
        answer=VersionDocument,
        preconditions=(Precondition.IF_MATCH,),
        errors=(VersionNotFound, *_WRITES),
    ),
    Operation(
        id="rollbackSecret",
        method="POST",
        path="/v1/secrets/{name}/rollback",
        summary="Make a new version with the value of an earlier one",
        needs="`set` on the secret; `rotate` to reapply it",
        tag="Versions",
        handle=rollback_secret,
        body=Rollback,
        answer=WrittenDocument,
        preconditions=(Precondition.IF_MATCH, Precondition.IDEMPOTENCY_KEY),
        response_headers=("ETag",),
        errors=(VersionNotFound, CredentialRetired, RotationInProgress, RotationFailed, *_WRITES),
    ),
)
