"""Refusals in OAuth2's words (RFC 6749, 5.2), with what Entra adds to them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

import msgspec

from holdfast.errors import BackendUnavailable, HoldfastError, InvalidInput
from holdfast.web.errors import log_internal, refusal_headers, rendering_of, retry_after
from holdfast.web.exchange import REQUEST_ID, Exchange, RawHeaders, Reply

_encode: Final = msgspec.json.Encoder().encode

_NUMBERS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "invalid_client": 7000215,
        "invalid_request": 9002313,
        "invalid_scope": 70011,
        "unsupported_grant_type": 70003,
        "temporarily_unavailable": 90033,
        "server_error": 50000,
    }
)
"""Entra's number for each error, as in its public list of AADSTS codes: its clients print them."""

NO_SUCH_TENANT: Final = 90002
RESOURCE_NOT_TAKEN: Final = 901002
_POST_ONLY: Final = 900561

_ENDPOINTS: Final = (b"/oauth2/token", b"/oauth2/v2.0/token")


class OAuthError(HoldfastError):
    """A refusal in OAuth2's own words. ``error`` is one of RFC 6749, 5.2; ``number`` what Entra calls it."""

    code = "oauth"

    def __init__(
        self,
        error: str,
        message: str,
        status: HTTPStatus = HTTPStatus.BAD_REQUEST,
        headers: RawHeaders = (),
        *,
        number: int | None = None,
        close: bool = False,
    ) -> None:
        super().__init__(message)
        self.error = error
        self.number = _NUMBERS[error] if number is None else number
        self.status = status
        self.headers = headers
        self.close = close


def busy(status: HTTPStatus, text: str, wait_s: float | None = None) -> OAuthError:
    """Return the refusal of what may be asked again after a while."""
    return OAuthError("temporarily_unavailable", text, status, (retry_after(wait_s),))


def in_oauth(error: Exception, exchange: Exchange) -> OAuthError:
    """Return any error as one of OAuth2's."""
    if isinstance(error, OAuthError):
        return error
    if isinstance(error, BackendUnavailable):
        return busy(HTTPStatus.SERVICE_UNAVAILABLE, "Client credentials cannot be checked at the moment; try again.")
    if isinstance(error, InvalidInput):
        return OAuthError("invalid_request", str(error))
    log_internal(error, exchange.request_id)
    shown = rendering_of(error)
    return OAuthError(
        _word_for(shown.status),
        shown.text or str(error),
        shown.status,
        refusal_headers(error, None),
        close=shown.close,
    )


def _word_for(status: HTTPStatus) -> str:
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        return "temporarily_unavailable"
    return "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request"


def refuse(error: Exception, exchange: Exchange) -> Reply:
    """Return OAuth2's answer to a failed request."""
    shown = in_oauth(error, exchange)
    body = {
        "error": shown.error,
        "error_description": f"AADSTS{shown.number}: {shown}",
        "error_codes": [shown.number],
        "timestamp": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%SZ}",
        "trace_id": exchange.request_id,
        "correlation_id": correlation_id(exchange),
    }
    return Reply(shown.status, _encode(body), shown.headers, close=shown.close)


def correlation_id(exchange: Exchange) -> str:
    """The id that the client gave its request, or ours where it gave none that may be repeated."""
    given = exchange.single(b"client-request-id") or ""
    return given if REQUEST_ID.fullmatch(given) else exchange.request_id


async def nothing_there(exchange: Exchange) -> Reply:
    """Refuse what no route of a tenant takes.

    Raises:
        OAuthError: always.
    """
    if exchange.raw_path.endswith(_ENDPOINTS) and exchange.method != "POST":
        raise OAuthError(
            "invalid_request",
            f"The endpoint only accepts POST requests. Received a {exchange.method[:20]} request.",
            HTTPStatus.METHOD_NOT_ALLOWED,
            ((b"allow", b"POST"),),
            number=_POST_ONLY,
        )
    raise OAuthError(
        "invalid_request",
        "There is nothing at this path; tokens are at /TENANT/oauth2/v2.0/token and /TENANT/oauth2/token.",
        HTTPStatus.NOT_FOUND,
    )
