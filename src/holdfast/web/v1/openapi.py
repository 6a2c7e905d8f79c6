"""The OpenAPI 3.1 document, from the very table that requests are dispatched by."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from holdfast import errors
from holdfast.keyvault_wire.routes import NoSuchPath
from holdfast.v1_wire.documents import Request
from holdfast.v1_wire.problems import MEDIA_TYPE, Problem
from holdfast.web import limits
from holdfast.web.exchange import REQUEST_ID
from holdfast.web.v1.operation import LINES, LINES_TYPE, Operation
from holdfast.web.v1.parameters import PATH_PARAMETERS
from holdfast.web.v1.preconditions import MEANINGS
from holdfast.web.v1.problems import code_of, status_of

Json = dict[str, Any]

_REF: Final = "#/components/schemas/{name}"

ALWAYS: Final[tuple[type[errors.HoldfastError], ...]] = (
    errors.InvalidInput,
    errors.Unauthenticated,
    errors.AccessDenied,
    NoSuchPath,
    limits.RateLimited,
    limits.Overloaded,
    errors.Throttled,
    errors.IntegrityFailure,
    errors.KeyUnavailable,
    errors.BackendUnavailable,
    errors.AuditUnavailable,
    errors.LeaseExpired,
)
"""What every operation may answer."""

WITH_BODY: Final[tuple[type[errors.HoldfastError], ...]] = (
    limits.PayloadTooLarge,
    limits.UnsupportedEncoding,
    limits.UnsupportedMediaType,
    limits.RequestTimeout,
    limits.TimedOut,
)
"""What every operation with a body may answer as well."""

_ABOUT: Final = """\
Holdfast's own API. Every operation needs `Authorization: Bearer <token>`; what it needs beside that is said at each.

* Errors are RFC 9457 problems: match on `code`, read `detail`. `retryable`: the same request may succeed later.
* `ETag` is a secret's generation. With `If-Match` or `If-None-Match: *` a write happens only if nobody was faster.
* With an `Idempotency-Key` a write that is repeated, for want of an answer, takes effect once.
* Listings come in pages: pass `next_cursor` on as `cursor` until it is null.
* `X-Request-Id` is taken over into the audit trail and answered; without one, the server makes one.
"""


def document(operations: Sequence[Operation], version: str) -> Json:
    """Return the description of the operations."""
    schemas = _Schemas(operations)
    paths: dict[str, Json] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Holdfast", "version": version, "description": _ABOUT},
        "security": [{"token": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in operations)],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas.components,
        },
    }


class _Schemas:
    """The JSON Schemas of every type that operations name."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        kinds = (kind for op in operations for kind in (op.query, op.body, op.answer))
        types = [Problem, *(kind for kind in kinds if kind is not None and kind is not LINES)]
        wanted = {repr(kind): kind for kind in types}
        shown, self.components = msgspec.json.schema_components(wanted.values(), ref_template=_REF)
        self._shown = dict(zip(wanted, shown, strict=True))
        for name in {op.query.__name__ for op in operations}:
            self.components.pop(name)  # they are shown as parameters
        self._queries = {op.query: msgspec.json.schema(op.query, ref_template=_REF) for op in operations}

    def of(self, kind: Any) -> Json:
        """The reference to a type's schema."""
        return self._shown[repr(kind)]

    def query(self, kind: type[Request]) -> list[Json]:
        """The parameters that a query type stands for."""
        own = self._queries[kind]["$defs"][kind.__name__]
        return [
            _parameter(name, "query", schema, required=name in own["required"])
            for name, schema in own["properties"].items()
        ]


def _operation(operation: Operation, schemas: _Schemas) -> Json:
    shown: Json = {
        "operationId": operation.id,
        "summary": operation.summary,
        "description": f"Needs {operation.needs}.",
        "tags": [operation.tag],
        "parameters": [*_path(operation), *schemas.query(operation.query), *_headers(operation)],
        "responses": {str(operation.status.value): _success(operation, schemas), **_refusals(operation)},
    }
    if operation.body is not None:
        shown["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schemas.of(operation.body)}},
        }
    return shown


def _path(operation: Operation) -> Iterable[Json]:
    for name, (kind, meaning) in PATH_PARAMETERS.items():
        if f"{{{name}}}" in operation.path:
            yield _parameter(name, "path", msgspec.json.schema(kind), required=True, meaning=meaning)


def _headers(operation: Operation) -> Iterable[Json]:
    for name in operation.preconditions:
        meaning, schema = MEANINGS[name]
        yield _parameter(name, "header", schema, required=False, meaning=meaning)
    request_id = {"type": "string", "pattern": f"^{REQUEST_ID.pattern}$"}
    yield _parameter("X-Request-Id", "header", request_id, required=False, meaning="Your own id of the request.")


def _parameter(name: str, place: str, schema: Json, *, required: bool, meaning: str | None = None) -> Json:
    meaning = meaning or schema.get("description")
    described = {} if meaning is None else {"description": meaning}
    bare = {key: value for key, value in schema.items() if key != "description"}
    return {"name": name, "in": place, "required": required, "schema": bare, **described}


def _success(operation: Operation, schemas: _Schemas) -> Json:
    shown: Json = {"description": operation.status.phrase, "headers": _answered(operation.response_headers)}
    if operation.answer is LINES:
        shown["content"] = {LINES_TYPE: {"schema": {"type": "string"}}}
    elif operation.answer is not None:
        shown["content"] = {"application/json": {"schema": schemas.of(operation.answer)}}
    return shown


def _refusals(operation: Operation) -> Json:
    by_status: dict[HTTPStatus, list[str]] = {}
    for kind in (*ALWAYS, *(WITH_BODY if operation.body else ()), *operation.errors):
        error = kind.__new__(kind)
        by_status.setdefault(status_of(error), []).append(code_of(error))
    return {
        str(status.value): {
            "description": f"{status.phrase}: " + ", ".join(f"`{code}`" for code in dict.fromkeys(codes)),
            "headers": _answered(_REFUSAL_HEADERS.get(status, ())),
            "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}},
        }
        for status, codes in sorted(by_status.items())
    }


_REFUSAL_HEADERS: Final = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate",),
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After",),
    HTTPStatus.SERVICE_UNAVAILABLE: ("Retry-After",),
}


def _answered(names: Iterable[str]) -> Json:
    text = {"schema": {"type": "string"}, "required": True}
    return dict.fromkeys((*names, "X-Request-Id"), text)
