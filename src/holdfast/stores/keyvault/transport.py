"""The HTTP connection below the SDK: TLS 1.3, one request per attempt, bounded answers, no detours."""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import aiohttp
from aiohttp import ClientConnectorError, ClientHandlerType, ClientOSError, ClientPayloadError, ServerDisconnectedError
from aiohttp.client_exceptions import ClientConnectorCertificateError, ConnectionTimeoutError
from azure.core.pipeline.transport import AioHttpTransport

from holdfast.errors import StartupError

MAX_ANSWER_BYTES: Final = 4 * 2**20
"""Larger than any page of 25 secrets with 15 full tags each; an answer beyond it is not Key Vault's."""

_CHUNK: Final = 64 * 1024

NEVER_SENT: Final = (ClientConnectorError, ClientConnectorCertificateError, ConnectionTimeoutError)
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


def open_session(context: ssl.SSLContext) -> aiohttp.ClientSession:
    """Return a session for vault and token endpoint. Proxies of the environment and compressed answers are not taken.

    The token endpoint of a managed identity is plain HTTP on the host itself; everything else is TLS.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context, limit=100),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "identity"},
        auto_decompress=False,
        trust_env=False,
        middlewares=(_one_attempt, _bounded),
    )


def transport(session: aiohttp.ClientSession, connect_timeout_s: float, read_timeout_s: float) -> AioHttpTransport:
    """Return a transport for an SDK client that leaves the session open when it closes."""
    return AioHttpTransport(
        session=session,
        session_owner=False,
        connection_timeout=connect_timeout_s,
        read_timeout=read_timeout_s,
    )


async def _one_attempt(request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a request again when the connection breaks.

    It does so once for every idempotent method, and counts PUT among them: one set would make two versions.
    """
    try:
        return await handler(request)
    except NEVER_SENT:
        raise
    except (ClientOSError, ServerDisconnectedError) as error:
        raise ClientPayloadError("the connection broke before the answer was complete") from error


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
            raise ClientPayloadError(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
        return chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)
