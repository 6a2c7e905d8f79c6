"""What the description says of refusals: one component for each status, which operations refer to."""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Final

from holdfast import errors
from holdfast.keyvault_wire.routes import NoSuchPath
from holdfast.v1_wire.problems import MEDIA_TYPE
from holdfast.web import limits
from holdfast.web.v1.operation import Operation
from holdfast.web.v1.problems import code_of, status_of
from holdfast.web.v1.schemas import REF, Json

Kinds = tuple[type[errors.HoldfastError], ...]

ALWAYS: Final[Kinds] = (
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

WITH_BODY: Final[Kinds] = (
    limits.PayloadTooLarge,
    limits.UnsupportedEncoding,
    limits.UnsupportedMediaType,
    limits.RequestTimeout,
    limits.TimedOut,
)
"""What every operation with a body may answer as well."""

HEADERS: Final[Mapping[HTTPStatus, tuple[str, ...]]] = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate",),
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After",),
    HTTPStatus.SERVICE_UNAVAILABLE: ("Retry-After",),
}
"""Headers of a refusal, next to those of every answer."""


def header_references(names: Iterable[str]) -> Json:
    """Return the references to the headers of an answer."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (*names, "X-Request-Id")}


def responses(operations: Sequence[Operation]) -> Json:
    """Return the components: a refusal for each status that an operation may answer."""
    shared = _by_status((*ALWAYS, *WITH_BODY))
    special = _by_status(kind for operation in operations for kind in operation.errors)
    every = _by_status(kind for operation in operations for kind in _kinds(operation))
    return {
        _name(status): {
            "description": f"{status.phrase}: {_said(shared.get(status, ()), own_too=status in special)}",
            "headers": header_references(HEADERS.get(status, ())),
            "content": {MEDIA_TYPE: {"schema": {"$ref": REF.format(name="Problem")}}},
        }
        for status in sorted(every)
    }


def refusals(operation: Operation) -> Json:
    """Return the references of an operation to its refusals, by status."""
    return {
        str(status.value): {"$ref": f"#/components/responses/{_name(status)}"}
        for status in sorted(_by_status(_kinds(operation)))
    }


def own(operation: Operation) -> str:
    """Return in words which refusals are this operation's own; nothing when it has none."""
    found = _by_status(operation.errors)
    shown = "; ".join(f"{status.value} {_listed(codes)}" for status, codes in sorted(found.items()))
    return f" Refusals of its own: {shown}." if shown else ""


def _kinds(operation: Operation) -> Kinds:
    return (*ALWAYS, *(WITH_BODY if operation.body else ()), *operation.errors)


def _by_status(kinds: Iterable[type[errors.HoldfastError]]) -> dict[HTTPStatus, list[str]]:
    found: dict[HTTPStatus, list[str]] = {}
    for kind in kinds:
        error = kind.__new__(kind)
        found.setdefault(status_of(error), []).append(code_of(error))
    return found


def _name(status: HTTPStatus) -> str:
    return "".join(word.capitalize() for word in status.name.split("_"))


def _said(codes: Iterable[str], *, own_too: bool) -> str:
    return ", or ".join((*filter(None, [_listed(codes)]), *(["one of the operation's own"] if own_too else [])))


def _listed(codes: Iterable[str]) -> str:
    return ", ".join(f"`{code}`" for code in dict.fromkeys(codes))
