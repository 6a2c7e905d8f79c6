"""What an operation of the API is, and what its handler gets and gives."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import msgspec

from holdfast.domain.policy import Caller
from holdfast.errors import HoldfastError
from holdfast.service.manager import SecretsService
from holdfast.v1_wire.documents import Request
from holdfast.web.exchange import Exchange, RawHeaders
from holdfast.web.limits import MAX_BODY_BYTES
from holdfast.web.v1.cursors import Cursors
from holdfast.web.v1.parameters import version_of
from holdfast.web.v1.preconditions import Precondition

SOMEBODY: Final = "a login; shows what the caller may list"


LINES: Final = object()
"""The answer of an operation that may be too long for one document."""

LINES_TYPE: Final = "application/x-ndjson"

BYTES_TYPE: Final = "application/octet-stream"
"""What lines are called for a client that takes no other name."""


class NoQuery(Request):
    """No query parameters."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A document, or lines of text, and headers beside the usual ones."""

    document: object = None
    headers: RawHeaders = ()
    lines: AsyncIterator[bytes] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An authenticated request for an operation. ``query`` and ``body`` are of the types that the operation names."""

    service: SecretsService
    cursors: Cursors
    exchange: Exchange
    caller: Caller
    operation: "Operation"
    path: Mapping[str, str]
    query: Any
    body: Any = None

    @property
    def name(self) -> str:
        """The secret's name in the path, in the client's casing."""
        return self.path["name"]

    @property
    def version(self) -> int | str:
        """The version in the path, by number or by id."""
        return version_of(self.path["version"])


def _one(_: object) -> int:
    return 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method on one path.

    ``needs`` says in words which permission on what. ``cost``: as how many requests a body counts. ``answer``: the type
    of the document; None: no body; ``LINES``: text, a line at a time. ``answer_name``: that of the document, if not the
    type's own. ``errors``: those that are this operation's own, next to the ones that every operation has.
    """

    id: str
    method: str
    path: str
    summary: str
    needs: str
    tag: str
    handle: Callable[[Call], Awaitable[Answer]]
    answer: Any = None
    answer_name: str | None = None
    status: HTTPStatus = HTTPStatus.OK
    query: type[Request] = NoQuery
    body: type[Request] | None = None
    body_limit: int = MAX_BODY_BYTES
    cost: Callable[[Any], int] = _one
    preconditions: tuple[Precondition, ...] = ()
    response_headers: tuple[str, ...] = ()
    errors: tuple[type[HoldfastError], ...] = ()


encode: Final = msgspec.json.Encoder().encode
