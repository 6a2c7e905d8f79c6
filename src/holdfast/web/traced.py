"""A span for each request, where traces are kept. What a caller's ``traceparent`` began goes on here."""

from collections.abc import MutableMapping
from typing import Any, Final

from holdfast.ports import UNTRACED, Side, Span, Tracing
from holdfast.web.exchange import ASGIApp, Scope, Send
from holdfast.web.limits import Receive
from holdfast.web.v1.table import OPERATIONS
from holdfast.web.whole import WHOLE, Headers, WriteWhole

_W3C: Final = {b"traceparent": "traceparent", b"tracestate": "tracestate"}
_REQUEST_ID: Final = b"x-ms-request-id"
_BEGINNINGS: Final = ("secrets", "deletedsecrets", "v1", "healthz", "readyz", "metrics", "subscriptions", "tenants")
_COLLECTIONS: Final = frozenset(operation.path.split("/")[2].partition(":")[0] for operation in OPERATIONS)
_QUIET: Final = frozenset({b"/healthz", b"/readyz", b"/metrics"})
"""Asked for every few seconds by machines: no traces of these."""


class TracedApp:
    """Keeps a span of each request that ``app`` answers."""

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self._app, self._tracing = app, tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["raw_path"] in _QUIET:
            await self._app(scope, receive, send)
            return
        parent = {_W3C[name]: value.decode("latin-1") for name, value in scope["headers"] if name in _W3C}
        method = scope["method"]
        with self._tracing.span(_name(method, scope["raw_path"]), Side.SERVER, {"method": method}, parent) as span:
            if span is UNTRACED:
                await self._app(scope, receive, send)
            else:
                await self._app(_watched(scope, span), receive, _noting(send, span))


def _name(method: str, raw_path: bytes) -> str:
    """The method and the kind of path: never a name, so that there are few of them."""
    first, _, rest = raw_path.decode("latin-1").lstrip("/").partition("/")
    if first not in _BEGINNINGS:
        return method
    collection = rest.partition("/")[0].partition(":")[0] if first == "v1" else ""
    return f"{method} /{first}/{collection}" if collection in _COLLECTIONS else f"{method} /{first}"


def _watched(scope: Scope, span: Span) -> Scope:
    write: WriteWhole | None = (scope.get("extensions") or {}).get(WHOLE)
    if write is None:
        return scope

    def write_whole(status: int, shared: tuple[tuple[bytes, bytes], ...], headers: Headers, body: bytes) -> bool:
        _note(span, status, headers)
        return write(status, shared, headers, body)

    return {**scope, "extensions": {**scope["extensions"], WHOLE: write_whole}}


def _noting(send: Send, span: Span) -> Send:
    async def noting(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            _note(span, message["status"], message["headers"])
        await send(message)

    return noting


def _note(span: Span, status: int, headers: Headers) -> None:
    request_id = next((value.decode("latin-1") for name, value in headers if name == _REQUEST_ID), "")
    span.note(status=status, request_id=request_id, **({"error": str(status)} if status >= 500 else {}))
