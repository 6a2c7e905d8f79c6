"""One connection to a server: requests go out as documents, answers come back as documents or as typed errors."""

import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec

from holdfast import errors
from holdfast.contract.documents import form_of
from holdfast.contract.row import A, R, Row
from holdfast.errors import (
    UNREADABLE,
    BackendUnavailable,
    HoldfastError,
    InvalidInput,
    Rejected,
    Throttled,
    Unauthenticated,
)
from holdfast.outbound.answers import read_whole
from holdfast.v1_wire.documents import Page
from holdfast.v1_wire.problems import Problem

T = TypeVar("T")

PATIENCE_S: Final = 60.0
"""Seconds for one request. A server waits up to 30 s for Key Vault where it alone holds a secret."""

_MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024


class Connection:
    """Requests to the server at ``address``, in the name of whoever ``token`` proves.

    Args:
        ca_file: PEM file of the CA to trust instead of the system's.
    """

    def __init__(self, address: str, token: str, *, ca_file: Path | None = None) -> None:
        self._address, self._token, self._ca_file = address.rstrip("/"), token, ca_file
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=trust(self._ca_file))
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={"Authorization": f"Bearer {self._token}", "User-Agent": "holdfast"},
            timeout=aiohttp.ClientTimeout(total=PATIENCE_S),
            auto_decompress=False,
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(
        self,
        method: str,
        path: str,
        answer: type[T],
        *,
        query: Mapping[str, object] | None = None,
        body: msgspec.Struct | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """Make a request and return the document that answers it.

        Raises:
            HoldfastError: whatever the server refuses with, as the library itself would raise it.
            BackendUnavailable: the server is out of reach, or did not answer as one.
        """
        raw = await self.send(method, path, query=query, body=body, headers=headers)
        try:
            return msgspec.json.decode(raw, type=answer)
        except UNREADABLE:
            raise self.other_answer() from None

    def other_answer(self) -> BackendUnavailable:
        """What to raise for an answer that a server of this release does not give."""
        return BackendUnavailable(f"{self._address} did not answer as a Holdfast of this release does")

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: msgspec.Struct | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Make a request and return the body of its answer; see ``call`` for what it raises."""
        if self._session is None:
            raise BackendUnavailable("The connection is not open: use `async with`.")
        sent = {**(headers or {}), **({"Content-Type": "application/json"} if body is not None else {})}
        try:
            async with self._session.request(
                method,
                self._address + path,
                params=_parameters(query or {}),
                data=None if body is None else msgspec.json.encode(body),
                headers=sent,
                allow_redirects=False,
            ) as response:
                raw, status = await read_whole(response, _MAX_ANSWER_BYTES), response.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise unreachable(self._address, error) from None
        if not 200 <= status < 300:
            raise _refusal(self._address, status, raw)
        return raw

    async def run(self, row: Row[R, A], asked: R, context: object = None, /) -> A:
        """Have an operation done by the server. ``context`` is not sent: the token says who asks."""
        if row.http is None:
            raise InvalidInput(f"{row.record} is not offered by the API.")
        form, given = form_of(row), asked.checked()
        query = msgspec.to_builtins(given) if row.http.in_query else None
        body = given if given.__struct_fields__ and not row.http.in_query else None
        found = await self.call(row.http.method, row.http.path, form.kind, query=query, body=body)
        answer: A = form.take(found)
        return answer

    async def lines(self, path: str, *, query: Mapping[str, object] | None = None) -> AsyncIterator[bytes]:
        """Yield the lines of an answer, without their line ends, as they arrive; see ``call`` for what it raises."""
        if self._session is None:
            raise BackendUnavailable("The connection is not open: use `async with`.")
        try:
            async with self._session.get(
                self._address + path,
                params=_parameters(query or {}),
                timeout=aiohttp.ClientTimeout(total=None, sock_read=PATIENCE_S),
                allow_redirects=False,
            ) as response:
                if response.status != 200:
                    raise _refusal(self._address, response.status, await read_whole(response, _MAX_ANSWER_BYTES))
                rest = b""
                async for chunk in response.content.iter_any():
                    *whole, rest = (rest + chunk).split(b"\n")
                    for line in whole:
                        yield line
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise unreachable(self._address, error) from None
        if rest:
            raise BackendUnavailable(f"{self._address} broke off in the middle of a line; ask again")

    async def items(
        self, path: str, item: type[T], *, limit: int | None = None, query: Mapping[str, object] | None = None
    ) -> AsyncIterator[T]:
        """Yield what a listing has, page by page."""
        cursor: str | None = None
        while True:
            asked = {**(query or {}), "limit": limit, "cursor": cursor}
            page = await self.call("GET", path, Page[item], query=asked)  # type: ignore[valid-type]  # at run time only
            for each in page.items:
                yield each
            cursor = page.next_cursor
            if cursor is None:
                return


def _parameters(query: Mapping[str, object]) -> dict[str, str]:
    """The parameters of a query as text: what is None is left out, and flags are those of JSON."""
    given = {name: value for name, value in query.items() if value is not None}
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}


def path(template: str, **parameters: object) -> str:
    """Return a path with its parameters encoded."""
    return template.format(**{name: quote(str(value), safe="") for name, value in parameters.items()})


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """Return a client's context that trusts a CA file instead of the system's authorities.

    Raises:
        InvalidInput: the file is none.
    """
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file is not None else None)
    except (OSError, ssl.SSLError):
        raise InvalidInput(f"HOLDFAST_CACERT: {ca_file} is no readable PEM file of a CA.", field="cacert") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def unreachable(address: str, error: Exception) -> HoldfastError:
    """Return why a server could not be asked, with what to do."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return BackendUnavailable(
            f"{address} shows a certificate that is not trusted here: name its CA file in HOLDFAST_CACERT."
        )
    if isinstance(error, aiohttp.InvalidURL):
        return InvalidInput("HOLDFAST_ADDR is no address: write https://host[:port].", field="addr")
    return BackendUnavailable(f"{address} cannot be reached ({type(error).__name__}): is the server running there?")


_CLASSES: Final[Mapping[str, type[HoldfastError]]] = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type)
    and issubclass(kind, HoldfastError)
    and kind not in (HoldfastError, errors.ConfigurationError)
    and "code" in vars(kind)
}


def _refusal(address: str, status: int, raw: bytes) -> HoldfastError:
    try:
        problem = msgspec.json.decode(raw, type=Problem)
    except UNREADABLE:
        return BackendUnavailable(f"{urlsplit(address).netloc} answered {status} and not as a Holdfast does")
    kind = _CLASSES.get(problem.code)
    if kind is None:
        kind = BackendUnavailable if problem.retryable else Unauthenticated if status == 401 else Rejected
    if issubclass(kind, InvalidInput):
        return kind(problem.detail, field=problem.field or None)
    return Throttled(problem.detail) if issubclass(kind, Throttled) else kind(problem.detail)
