"""Answers requests for the operations in the table. Authentication comes before anything else about a request."""

from dataclasses import replace
from typing import Final
from urllib.parse import parse_qsl

from holdfast.errors import InvalidInput
from holdfast.keyvault_wire.strict_json import parse_object
from holdfast.service.manager import SecretsService
from holdfast.v1_wire.documents import read
from holdfast.web.admission import Admission
from holdfast.web.exchange import Exchange, Reply
from holdfast.web.limits import MAX_BODY_BYTES, UnsupportedMediaType
from holdfast.web.v1.cursors import Cursors
from holdfast.web.v1.operation import BYTES_TYPE, LINES_TYPE, Answer, Call, Operation, encode
from holdfast.web.v1.problems import refuse
from holdfast.web.v1.table import OPERATIONS, Table

MAX_QUERY_FIELDS: Final = 32


class V1Api:
    """Our own API under ``/v1``."""

    def __init__(self, service: SecretsService, admission: Admission, cursors: Cursors) -> None:
        self._service, self._admission, self._cursors = service, admission, cursors
        self._table = Table(OPERATIONS)

    async def handle(self, exchange: Exchange) -> Reply:
        """Answer any request."""
        _check_request_id(exchange)
        caller = await self._admission.caller(exchange)
        found = self._table.find(exchange.raw_path)
        operation = found.operation(exchange.method)
        query = read(operation.query, _query(exchange.query), text=True)
        call = Call(
            service=self._service,
            cursors=self._cursors,
            exchange=exchange,
            caller=caller,
            operation=operation,
            path=found.path,
            query=query,
        )
        if operation.body_limit <= MAX_BODY_BYTES:
            return await self._answer(call, await _raw_body(operation, exchange))
        await self._service.check_may_restore(context=caller)
        raw = await _raw_body(operation, exchange)
        async with self._admission.room(caller):
            return await self._answer(call, raw)

    async def _answer(self, call: Call, raw: bytes | None) -> Reply:
        operation = call.operation
        if operation.body is not None and raw is not None:
            call = replace(call, body=read(operation.body, parse_object(raw)))
        self._admission.charge(call.caller, operation.cost(call.body) - 1)
        return _reply(operation, call.exchange, await operation.handle(call))

    def refuse(self, error: Exception, exchange: Exchange) -> Reply:
        """Return the answer to a request that failed."""
        return refuse(error, exchange)


def _reply(operation: Operation, exchange: Exchange, answer: Answer) -> Reply:
    headers = (*answer.headers, (b"x-request-id", exchange.request_id.encode()))
    if answer.lines is not None:
        return Reply(operation.status, None, headers, content_type=_lines_type(exchange), more=answer.lines)
    body = None if operation.answer is None else encode(answer.document)
    return Reply(operation.status, body, headers)


def _lines_type(exchange: Exchange) -> bytes:
    """Some generated clients know no lines of JSON, and ask for bytes alone."""
    accepted = (exchange.optional(b"accept") or "").lower()
    return (BYTES_TYPE if BYTES_TYPE in accepted and LINES_TYPE not in accepted else LINES_TYPE).encode()


def _check_request_id(exchange: Exchange) -> None:
    given = exchange.optional(b"x-request-id")
    if given is not None and given != exchange.request_id:
        raise InvalidInput(
            "X-Request-Id must be 1 to 128 printable ASCII characters without spaces; a UUID is a good one.",
            field="X-Request-Id",
        )


def _query(raw: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS, errors="strict")
    except ValueError:
        raise InvalidInput(
            f"The query string is not UTF-8, or has more than {MAX_QUERY_FIELDS} fields.", field="query"
        ) from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidInput("A query parameter is given more than once; give it once.", field="query")
    return fields


async def _raw_body(operation: Operation, exchange: Exchange) -> bytes | None:
    if operation.body is None:
        return None
    media_type = exchange.optional(b"content-type")
    if media_type is not None and media_type.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType("The body must be JSON: send Content-Type: application/json.")
    return await exchange.body(operation.body_limit)
