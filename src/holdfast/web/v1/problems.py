"""Errors as RFC 9457 problems."""

from http import HTTPStatus

from holdfast.errors import HoldfastError
from holdfast.v1_wire.problems import MEDIA_TYPE, Problem, problem
from holdfast.web.errors import log_internal, refusal_headers, rendering_of
from holdfast.web.exchange import Exchange, Reply
from holdfast.web.v1.operation import encode

CHALLENGE = "Bearer"
_INTERNAL = "internal"


def status_of(error: Exception) -> HTTPStatus:
    """Return the status that an error becomes here."""
    shown = rendering_of(error)
    return shown.own_status or shown.status


def code_of(error: Exception) -> str:
    """Return the code that an error becomes here; what was never meant to be raised has none of its own."""
    return error.code if isinstance(error, HoldfastError) and type(error) is not HoldfastError else _INTERNAL


def problem_of(error: Exception, request_id: str) -> Problem:
    """Return the problem that an error becomes."""
    return problem(
        code_of(error),
        rendering_of(error).text or str(error),
        status=status_of(error),
        request_id=request_id,
        retryable=getattr(error, "retryable", False),
        field=getattr(error, "field", None),
    )


def refuse(error: Exception, exchange: Exchange) -> Reply:
    """Return the answer that an error becomes."""
    log_internal(error, exchange.request_id)
    shown = problem_of(error, exchange.request_id)
    headers = (*refusal_headers(error, CHALLENGE), (b"x-request-id", exchange.request_id.encode()))
    return Reply(
        shown.status, encode(shown), headers, close=rendering_of(error).close, content_type=MEDIA_TYPE.encode()
    )
