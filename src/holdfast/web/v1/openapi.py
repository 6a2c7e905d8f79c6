"""The OpenAPI 3.1 document, from the very table that requests are dispatched by."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from holdfast.web.exchange import REQUEST_ID
from holdfast.web.v1.examples import PARAMETERS
from holdfast.web.v1.operation import BYTES_TYPE, LINES, LINES_TYPE, Operation
from holdfast.web.v1.parameters import PATH_PARAMETERS
from holdfast.web.v1.preconditions import MEANINGS
from holdfast.web.v1.refusals import HEADERS, header_references, own, refusals, responses
from holdfast.web.v1.schemas import Json, Schemas, tidied

_ABOUT: Final = """\
Holdfast's own API. Every operation needs `Authorization: Bearer <token>`; what it needs beside that is said at each.

* Errors are RFC 9457 problems: match on `code`, read `detail`. `retryable`: the same request may succeed later.
* `ETag` is a secret's generation. With `If-Match` or `If-None-Match: *` a write happens only if nobody was faster.
* With an `Idempotency-Key` a write that is repeated, for want of an answer, takes effect once.
* Listings come in pages: pass `next_cursor` on as `cursor` until it is null.
* `X-Request-Id` is taken over into the audit trail and answered; without one, the server makes one.
"""

_SERVERS: Final = [
    {
        "url": "https://{address}",
        "description": "A node, or what stands before the nodes.",
        "variables": {"address": {"default": "127.0.0.1:8200", "description": "Host and port."}},
    }
]
"""It names no installation: the document needs no login. Paths begin with ``/v1``, so this is all that differs."""

_REQUEST_ID: Final = "X-Request-Id"


def document(operations: Sequence[Operation], version: str) -> Json:
    """Return the description of the operations."""
    schemas = Schemas(operations)
    paths: dict[str, Json] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Holdfast", "version": version, "description": _ABOUT},
        "servers": _SERVERS,
        "security": [{"token": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in operations)],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "parameters": {each["name"]: each for each in _shared_parameters(operations)},
            "headers": dict.fromkeys(sorted(_header_names(operations)), _HEADER),
            "responses": responses(operations),
            "schemas": schemas.components,
        },
    }


def _operation(operation: Operation, schemas: Schemas) -> Json:
    query = (_parameter(name, "query", schema, required=need) for name, schema, need in schemas.query(operation.query))
    shown: Json = {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": f"Needs {operation.needs}.{own(operation)}",
        "tags": [operation.tag],
        "parameters": [*_references(_path(operation)), *query, *_references((*operation.preconditions, _REQUEST_ID))],
        "responses": {str(operation.status.value): _success(operation, schemas), **refusals(operation)},
    }
    if operation.body is not None:
        shown["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schemas.of(operation.body)}},
        }
    return shown


def _path(operation: Operation) -> Iterator[str]:
    return (name for name in PATH_PARAMETERS if f"{{{name}}}" in operation.path)


def _references(names: Iterable[str]) -> list[Json]:
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def _shared_parameters(operations: Iterable[Operation]) -> Iterator[Json]:
    """What stands in paths and headers, said once for all operations."""
    for name, (kind, meaning) in PATH_PARAMETERS.items():
        schema = tidied(msgspec.json.schema(kind)) | {"examples": [PARAMETERS[name]]}
        yield _parameter(name, "path", schema, required=True, meaning=meaning)
    for precondition in dict.fromkeys(each for operation in operations for each in operation.preconditions):
        meaning, schema = MEANINGS[precondition]
        yield _parameter(precondition, "header", schema, required=False, meaning=meaning)
    request_id = {"type": "string", "pattern": f"^{REQUEST_ID.pattern}$"}
    yield _parameter(_REQUEST_ID, "header", request_id, required=False, meaning="Your own id of the request.")


def _parameter(name: str, place: str, schema: Json, *, required: bool, meaning: str | None = None) -> Json:
    meaning = meaning or schema.get("description")
    described = {} if meaning is None else {"description": meaning}
    bare = {key: value for key, value in schema.items() if key != "description"}
    return {"name": name, "in": place, "required": required, "schema": bare, **described}


_HEADER: Final[Any] = {"schema": {"type": "string"}, "required": True}


def _header_names(operations: Iterable[Operation]) -> set[str]:
    answered = (name for operation in operations for name in operation.response_headers)
    return {*answered, *(name for names in HEADERS.values() for name in names), _REQUEST_ID}


def _success(operation: Operation, schemas: Schemas) -> Json:
    shown: Json = {
        "description": operation.status.phrase,
        "headers": header_references(operation.response_headers),
    }
    if operation.answer is LINES:
        lines = {"schema": {"type": "string", "format": "binary"}}
        shown["content"] = {LINES_TYPE: lines, BYTES_TYPE: lines}
    elif operation.answer is not None:
        shown["content"] = {"application/json": {"schema": schemas.of(operation.answer)}}
    return shown
