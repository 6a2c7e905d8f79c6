"""The OpenAPI document, served. It needs no login: it says nothing about this installation."""

from functools import cache
from http import HTTPStatus

from holdfast.bootstrap.release import release
from holdfast.web.exchange import Exchange, Reply
from holdfast.web.v1.openapi import document
from holdfast.web.v1.operation import encode
from holdfast.web.v1.table import OPERATIONS


async def describe(_: Exchange) -> Reply:
    """Return the document."""
    return Reply(HTTPStatus.OK, _document())


@cache
def _document() -> bytes:
    return encode(document(OPERATIONS, release()))
