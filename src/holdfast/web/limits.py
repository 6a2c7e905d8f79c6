"""What one request may cost before it is understood."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from holdfast.errors import HoldfastError

MAX_BODY_BYTES: Final = 256 * 1024
"""A value of 25,600 bytes is up to six times as long in escaped JSON; tags and attributes come on top."""

MAX_RESTORE_BYTES: Final = 32 * 1024 * 1024
"""A backup of 500 versions, Key Vault's own limit for a backup."""

MAX_TOKEN_REQUEST_BYTES: Final = 16 * 1024

BODY_PATIENCE_S: Final = 30.0

SLOW_AFTER_S: Final = 5.0
MIN_BODY_RATE: Final = 4096
"""Bytes for each second after the first ``SLOW_AFTER_S`` that a body has to have sent so far."""

ANSWER_PATIENCE_S: Final = 300.0
"""Seconds for an operation. All parts of one have their own, shorter limits; this ends what nobody foresaw."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class PayloadTooLarge(HoldfastError):
    """The body is longer than this operation can need."""

    code = "payload_too_large"


class UnsupportedEncoding(HoldfastError):
    """The body is compressed."""

    code = "unsupported_encoding"


class UnsupportedMediaType(HoldfastError):
    """The body is of another kind than JSON."""

    code = "unsupported_media_type"


class RateLimited(HoldfastError):
    """This identity asks more often than it may. ``retry_after_s``: seconds until it may again."""

    code = "rate_limited"
    retryable = True

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Overloaded(HoldfastError):
    """More is asked of this server than it can answer in time. ``retry_after_s``: seconds until another try."""

    code = "overloaded"
    retryable = True

    def __init__(self, *, retry_after_s: float) -> None:
        super().__init__("This server is answering as many requests as it can; try again, or ask another one.")
        self.retry_after_s = retry_after_s


class RequestTimeout(HoldfastError):
    """The body did not arrive in time, or the client went away."""

    code = "request_timeout"


class TimedOut(HoldfastError):
    """The operation took too long and was given up; what it was to change may have been changed."""

    code = "timed_out"
    retryable = True


async def read_body(receive: Receive, headers: dict[bytes, str], limit: int) -> bytes:
    """Return the request's body.

    Raises:
        PayloadTooLarge: longer than ``limit`` bytes, by its own account or in fact.
        UnsupportedEncoding: compressed.
        RequestTimeout: not complete after 30 s, or too slow.
    """
    if headers.get(b"content-encoding", "identity").strip().lower() != "identity":
        raise UnsupportedEncoding("A compressed body is not accepted; send it without Content-Encoding.")
    if int(headers.get(b"content-length") or 0) > limit:
        raise _too_large(limit)
    began = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout_at(began + min(SLOW_AFTER_S, BODY_PATIENCE_S)) as patience:
            return await _collect(receive, limit, lambda size: patience.reschedule(began + _patience_s(size)))
    except TimeoutError as error:
        raise RequestTimeout(
            f"The request body did not arrive within {BODY_PATIENCE_S:.0f} s, or slower than {MIN_BODY_RATE:,} bytes "
            "per second."
        ) from error


def _patience_s(size: int) -> float:
    """Return the seconds from a body's beginning within which more than ``size`` bytes have to be there."""
    return min(SLOW_AFTER_S + size / MIN_BODY_RATE, BODY_PATIENCE_S)


async def _collect(receive: Receive, limit: int, came: Callable[[int], None]) -> bytes:
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestTimeout("The client left before its request was complete.")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > limit:
            raise _too_large(limit)
        came(len(body))
    return bytes(body)


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"The request body is longer than {limit:,} bytes.")
