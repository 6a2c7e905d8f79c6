"""How far one gets to a vault before any login: name, connection, TLS, the clock of the other side."""

import asyncio
import email.utils
import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from holdfast.ports.inspection import ReachFacts
from holdfast.stores.keyvault.transport import open_session, tls_context

_TIMEOUT_S: Final = 10.0
_PATH: Final = "/secrets?api-version=7.4"


async def look_at(url: str, ca_file: Path | None) -> tuple[ReachFacts, bytes | None]:
    """Return what a vault shows anybody, and its certificate in DER.

    Raises:
        StartupError: the CA file is not usable.
    """
    context = tls_context(ca_file)
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            certificate = await _certificate(url, context)
            return await _date(url, context), certificate
    except Exception as error:  # whatever goes wrong between two machines, it is judged by its kind
        return _fault(error), None


async def _certificate(url: str, context: ssl.SSLContext) -> bytes | None:
    parts = urlsplit(url)
    _, writer = await asyncio.open_connection(parts.hostname, parts.port or 443, ssl=context)
    try:
        connection: Any = writer.get_extra_info("ssl_object")
        certificate: bytes | None = connection.getpeercert(binary_form=True)
        return certificate
    finally:
        writer.transport.abort()


async def _date(url: str, context: ssl.SSLContext) -> ReachFacts:
    async with open_session(context) as session:
        asked_at = datetime.now(UTC)
        async with session.get(f"{url}{_PATH}", allow_redirects=False) as answer:
            answered_at = datetime.now(UTC)
            return ReachFacts(date=_parsed(answer.headers.get("Date", "")), asked_at=asked_at, answered_at=answered_at)


def _parsed(text: str) -> datetime | None:
    try:
        found = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _fault(error: Exception) -> ReachFacts:
    cause: BaseException = error
    if isinstance(error, aiohttp.ClientConnectorError) and error.os_error:
        cause = error.os_error
    match cause:
        case ssl.SSLCertVerificationError():
            return ReachFacts(kind="untrusted", fault=f"its certificate is not trusted ({cause.verify_message})")
        case ssl.SSLError():
            return ReachFacts(kind="tls", fault=f"TLS fails ({cause.reason})")
        case socket.gaierror():
            return ReachFacts(kind="name", fault="its name is not known to DNS")
        case TimeoutError():
            return ReachFacts(kind="silent", fault=f"no answer within {_TIMEOUT_S:.0f} s")
        case _:
            return ReachFacts(kind="refused", fault=f"the connection fails ({type(cause).__name__})")
