"""The HTTP connection below the SDK: TLS 1.3, one request per attempt, bounded answers, no detours."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import aiohttp
from aiohttp import (
    ClientConnectionError,
    ClientConnectorError,
    ClientHandlerType,
    ClientHttpProxyError,
    ClientOSError,
    ClientPayloadError,
    ServerDisconnectedError,
)
from aiohttp.client_exceptions import ClientConnectorCertificateError, ConnectionTimeoutError
from azure.core.exceptions import ServiceResponseTimeoutError
from azure.core.pipeline.transport import AioHttpTransport

from holdfast.errors import StartupError
from holdfast.stores.keyvault.access import Access
from holdfast.stores.keyvault.proxies import Proxies

MAX_ANSWER_BYTES: Final = 16 * 2**20
"""Larger than any page of 25 secrets with 15 full tags each; an answer beyond it is not Key Vault's."""

_CHUNK: Final = 64 * 1024


class ProxyRefused(ClientConnectionError):
    """The proxy opens no way to where a request is to go. ``status``: its answer, 407 for lack of credentials."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the proxy answered {status}")
        self.status = status


class AnswerTooLong(ClientPayloadError):
    """A body that is longer than any of Key Vault's."""


NEVER_SENT: Final = (ClientConnectorError, ClientConnectorCertificateError, ConnectionTimeoutError, ProxyRefused)
"""What aiohttp raises when there was no connection to send a request on."""


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return a client's context: TLS 1.3, host names checked, the system's authorities and those in ``ca_file``.

    Raises:
        StartupError: the file cannot be read or holds no certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_default_certs()
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise StartupError(
                f"The CA file {ca_file} for Key Vault is not usable ({error.strerror or 'no PEM certificate'}): "
                "give a readable file of PEM certificates."
            ) from error
    return context


def open_session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    """Return a session for vault and token endpoint. Compressed answers are not taken.

    aiohttp's own way to proxies of the environment reads passwords from ``.netrc`` as well, and stays closed.

    The token endpoint of a managed identity is plain HTTP on the host itself; everything else is TLS.
    """
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "identity"},
        auto_decompress=False,
        trust_env=False,
        middlewares=(_one_attempt, _bounded),
    )


class Connections(aiohttp.TCPConnector):
    """Connections of which the idle ones can be given up."""

    def drop_idle(self) -> None:
        """Close the idle ones; requests under way keep theirs."""
        while self._conns:
            _, idle = self._conns.popitem()
            for protocol, _ in idle:
                protocol.close()


def open_connector(access: Access) -> Connections:
    """Return the connections for such a session.

    Raises:
        StartupError: the CA file is not usable.
    """
    return Connections(ssl=tls_context(access.ca_file), limit=100)


QUIET: Final = logging.getLogger(f"{__name__}.requests")
"""For the SDK's clients: at the level info they would log some ten lines for each request."""
QUIET.setLevel(logging.WARNING)


def transport(session: aiohttp.ClientSession, access: Access, address: str) -> AioHttpTransport:
    """Return a transport for an SDK client of what is at ``address``. It leaves the session open when it closes."""
    return _ProxiedTransport(
        Proxies(access, address, access.login.authority_host),
        access.answer_timeout_s,
        session=session,
        session_owner=False,
        connection_timeout=access.connect_timeout_s,
        read_timeout=access.read_timeout_s,
    )


class _ProxiedTransport(AioHttpTransport):  # type: ignore[misc]  # the SDK tells no type
    """Sends what is to go through a proxy through it, whichever of the SDK's clients asks."""

    def __init__(self, proxies: Proxies, answer_timeout_s: float, **options: Any) -> None:
        super().__init__(**options)
        self._proxies, self._timeout_s = proxies, answer_timeout_s

    async def send(self, request: Any, **options: Any) -> Any:
        """Send a request once, and take its whole answer."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await super().send(request, **options, **self._proxies.options(request.url))
        except TimeoutError as error:
            raise ServiceResponseTimeoutError("the answer takes too long", error=error) from error


async def _one_attempt(request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a request again when the connection breaks.

    It does so once for every idempotent method, and counts PUT among them: one set would make two versions.
    """
    try:
        return await handler(request)
    except NEVER_SENT:
        raise
    except ClientHttpProxyError as error:
        status = error.status
    except (ClientOSError, ServerDisconnectedError) as error:
        raise ClientPayloadError("the connection broke before the answer was complete") from error
    raise ProxyRefused(status)  # not above: the error there holds the credentials, and would stay as the context


async def _bounded(request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
    """Let no answer fill the memory, compressed or not."""
    response = await handler(request)
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        response.close()
        raise ClientPayloadError("the answer is compressed, which was not asked for")
    response.content = cast("aiohttp.StreamReader", _BoundedReader(response.content, response.close))
    return response


class _BoundedReader:
    """A body that ends with an error when it grows too long."""

    def __init__(self, reader: aiohttp.StreamReader, close: Callable[[], None]) -> None:
        self._reader = reader
        self._close = close
        self._left = MAX_ANSWER_BYTES

    async def read(self, size: int = -1) -> bytes:
        """Read up to ``size`` bytes, or to the end; the SDK does either."""
        if size >= 0:
            return self._counted(await self._reader.read(size))
        chunks = []
        while chunk := await self._reader.read(_CHUNK):
            chunks.append(self._counted(chunk))
        return b"".join(chunks)

    def _counted(self, chunk: bytes) -> bytes:
        self._left -= len(chunk)
        if self._left < 0:
            self._close()
            raise AnswerTooLong(f"it is longer than {MAX_ANSWER_BYTES >> 20} MiB")
        return chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)
