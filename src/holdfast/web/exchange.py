"""One request and its answer, over plain ASGI."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import suppress
from http import HTTPStatus
from time import perf_counter
from typing import Any, Final, NamedTuple

from holdfast.auth.resource import canonical_host
from holdfast.errors import InvalidInput
from holdfast.resilience.events import Event, Log
from holdfast.web.limits import Receive, read_body
from holdfast.web.sharing import ALONE, SHARING, Sharing
from holdfast.web.whole import DELIVERY, WHOLE, Watch, WriteWhole

_log: Final = Log(__name__)

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

RawHeaders = tuple[tuple[bytes, bytes], ...]

MAX_CLIENT_REQUEST_ID: Final = 128
REQUEST_ID: Final = re.compile(r"[!-~]{1,128}", re.ASCII)
"""Ids of requests as clients may give them: they forge no line of a log."""

_ALWAYS: Final[RawHeaders] = (
    (b"cache-control", b"no-cache, no-store"),
    (b"pragma", b"no-cache"),
    (b"expires", b"-1"),
    (b"strict-transport-security", b"max-age=31536000;includeSubDomains"),
    (b"x-content-type-options", b"nosniff"),
)
STREAM_BYTES: Final = 24 * 1024 * 1024
"""What an answer without an end counts as: what is in memory of it at a time, as records and as their lines."""

PIECE_BYTES: Final = 64 * 1024
TAKING_PATIENCE_S: Final = 60.0
"""Seconds in which a client has to take a long answer."""

JSON: Final = b"application/json; charset=utf-8"
_SINGLE: Final = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-type",
        b"host",
        b"idempotency-key",
        b"if-match",
        b"if-none-match",
        b"secret",
        b"x-identity-header",
        b"x-request-id",
    }
)


class Reply(NamedTuple):
    """A status, a body (None: no body at all), JSON unless said otherwise, and headers beside the usual ones.

    ``more``: what follows the body, part by part. When it breaks off, so does the answer, and the client can tell.
    """

    status: int
    body: bytes | None
    headers: RawHeaders = ()
    close: bool = False
    content_type: bytes = JSON
    more: AsyncIterator[bytes] | None = None


class Exchange:
    """The request as the handlers see it. Forwarding headers are ignored: the peer is who connected.

    ``identity``: who has proven to ask, once that is known.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.raw_path: bytes = scope["raw_path"]
        self.query: bytes = scope["query_string"]
        self.began = perf_counter()
        self.headers, self._repeated = _headers(scope["headers"])
        self.request_id = self._given_id() or _new_request_id()
        self.identity: str | None = None
        self._receive = receive
        self._send = send
        extensions = scope.get("extensions") or {}
        self._write_whole: WriteWhole | None = extensions.get(WHOLE)
        self._watch: Watch | None = extensions.get(DELIVERY)
        self._sharing: Sharing = extensions.get(SHARING, ALONE)

    @property
    def host(self) -> str:
        """The canonical host, with its port unless it is 443, that the client addressed.

        Raises:
            InvalidInput: there is not exactly one, or it is not a host.
        """
        host = None if b"host" in self._repeated else canonical_host(self.headers.get(b"host", ""))
        if host is None:
            raise InvalidInput("The request needs exactly one valid Host header.", field="host")
        return host

    @property
    def origin(self) -> str:
        """``https://host[:port]``, to build links from."""
        return f"https://{self.host}"

    @property
    def peer(self) -> str | None:
        """The address of the other end of the connection."""
        client = self.scope.get("client")
        return client[0] if client else None

    def single(self, name: bytes) -> str | None:
        """The value of a header that must not be repeated; None when absent or repeated."""
        return None if name in self._repeated else self.headers.get(name)

    def optional(self, name: bytes) -> str | None:
        """The value of a header that must not be repeated; None when absent.

        Raises:
            InvalidInput: it is repeated, so that no one can tell which is meant.
        """
        if name in self._repeated:
            raise InvalidInput(
                f"The header {name.decode()} is given more than once; give it once.", field=name.decode()
            )
        return self.headers.get(name)

    def proven(self, identity: str) -> None:
        """Note who has proven to ask.

        Raises:
            Overloaded: that identity has as many requests in progress as one may have.
        """
        self.identity = identity
        self._sharing.proven(identity)

    async def body(self, limit: int) -> bytes:
        """Return the body.

        Raises:
            Overloaded: bodies take more memory than they may, or there is no place for this request any more.
            HoldfastError: see ``read_body``.
        """
        with self._sharing.arriving():
            return await read_body(self._receive, self.headers, limit)

    def send_now(self, reply: Reply) -> bool:
        """Answer without waiting; False: that cannot be done with this one."""
        return self._sent_whole(reply, self._head(reply))

    def _head(self, reply: Reply) -> list[tuple[bytes, bytes]]:
        head = [(b"x-ms-request-id", self.request_id.encode()), *self._echo(), *reply.headers]
        if reply.more is not None:
            head.append((b"content-type", reply.content_type))
        elif reply.body is not None:
            head += ((b"content-type", reply.content_type), (b"content-length", b"%d" % len(reply.body)))
        elif reply.status != HTTPStatus.NO_CONTENT:
            head.append((b"content-length", b"0"))
        return head

    def _sent_whole(self, reply: Reply, head: list[tuple[bytes, bytes]]) -> bool:
        body = reply.body
        if body is None or reply.more or reply.close or self._write_whole is None or len(body) > PIECE_BYTES:
            return False
        return self._write_whole(reply.status, _ALWAYS, head, body)

    async def send(self, reply: Reply) -> None:
        """Answer."""
        headers = self._head(reply)
        if reply.more is not None:
            await self._stream(reply, reply.more, headers)
            return
        if self._sent_whole(reply, headers):
            return
        if reply.close:
            headers.append((b"connection", b"close"))
        await self._send({"type": "http.response.start", "status": reply.status, "headers": [*_ALWAYS, *headers]})
        await self._send_body(reply.body or b"")

    async def _send_body(self, body: bytes) -> None:
        """Hand over no more than the client takes, so that what it does not take is not piled up in the transport."""
        if len(body) <= PIECE_BYTES:
            await self._send({"type": "http.response.body", "body": body})
            return
        self._sharing.sending(len(body))
        with suppress(TimeoutError):  # the answer breaks off, as the client's slowness has it
            async with asyncio.timeout(TAKING_PATIENCE_S):
                for at in range(0, len(body), PIECE_BYTES):
                    piece = body[at : at + PIECE_BYTES]
                    more = at + PIECE_BYTES < len(body)
                    await self._send({"type": "http.response.body", "body": piece, "more_body": more})

    def watch(self, lost: Callable[[], None]) -> None:
        """After ``send``: call ``lost`` if the connection breaks, or broke, before all of the answer is handed over."""
        if self._watch is not None:
            self._watch(lost)

    async def _stream(self, reply: Reply, parts: AsyncIterator[bytes], headers: list[tuple[bytes, bytes]]) -> None:
        """Send parts for as long as there are any and somebody listens. An answer without an end says it broke off."""
        headers = [*_ALWAYS, *headers]
        self._sharing.sending(STREAM_BYTES)
        await self._send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": reply.body or b"", "more_body": True})
        leaving = asyncio.ensure_future(self._left())
        try:
            async for part in parts:
                if leaving.done():
                    return
                await self._send({"type": "http.response.body", "body": part, "more_body": True})
            await self._send({"type": "http.response.body", "body": b""})
        except Exception as error:
            _log(Event.ANSWER_BROKE_OFF, request=self.request_id, reason=type(error).__name__)
        finally:
            leaving.cancel()

    async def _left(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def _given_id(self) -> str | None:
        """The id that the client, or a proxy, has given this request: under it all logs are searched."""
        for name in (b"x-request-id", b"x-ms-client-request-id"):
            given = self.headers.get(name)
            if given is not None and name not in self._repeated and REQUEST_ID.fullmatch(given):
                return given
        return None

    def _echo(self) -> RawHeaders:
        given = self.headers.get(b"x-ms-client-request-id")
        if given and len(given) <= MAX_CLIENT_REQUEST_ID and given.isascii() and given.isprintable():
            return ((b"x-ms-client-request-id", given.encode()),)
        return ()


_random_bits: Final = random.Random().getrandbits  # noqa: S311 - a label, not a secret


def _new_request_id() -> str:
    """An id in the shape of a GUID, as Key Vault's are. It need not be hard to guess, so it costs no system call."""
    text = f"{_random_bits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _headers(raw: list[tuple[bytes, bytes]]) -> tuple[dict[bytes, str], set[bytes]]:
    headers: dict[bytes, str] = {}
    repeated: set[bytes] = set()
    for name, value in raw:
        if name in headers and name in _SINGLE:
            repeated.add(name)
        headers[name] = value.decode("latin-1")
    return headers, repeated
