"""Spans as OpenTelemetry has them."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Final, Self

from opentelemetry import context, trace
from opentelemetry.trace import SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from holdfast.ports.tracing import UNTRACED, Fact, Side, Span, Tracing, under_way

FACTS: Final[Mapping[str, str]] = {
    "method": "http.request.method",
    "status": "http.response.status_code",
    "error": "error.type",
    "system": "db.system.name",
    **{
        name: f"holdfast.{name}"
        for name in ("request_id", "source", "found", "intent", "attempt", "progress", "replicated", "phase", "trigger")
    },
}
"""What may be said of a span, and the name of the attribute that it becomes. Nothing else is sent."""

_KINDS: Final = {Side.SERVER: SpanKind.SERVER, Side.INSIDE: SpanKind.INTERNAL, Side.CLIENT: SpanKind.CLIENT}
_W3C: Final = TraceContextTextMapPropagator()


class OpenTelemetry:
    """Implements ``holdfast.ports.Tracing`` with a tracer."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def span(
        self, name: str, side: Side, facts: Mapping[str, Fact], parent: Mapping[str, str] | None = None
    ) -> "_Kept":
        """See the port."""
        return _Kept(self, self._tracer, name, side, parent, facts)

    def carried(self) -> Mapping[str, str]:
        """See the port."""
        return _carried()


class _Unsampled:
    """Keeps no spans of work that the sampler has passed over; others are told so."""

    def span(
        self, name: str, side: Side, facts: Mapping[str, Fact], parent: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Span]:
        """Keep none."""
        return UNTRACED

    def carried(self) -> Mapping[str, str]:
        """See the port."""
        return _carried()


_UNSAMPLED: Final = _Unsampled()


class _Kept:
    """One span, current from its beginning to its end. Errors leave their kind on it and never their text."""

    __slots__ = ("_facts", "_name", "_parent", "_side", "_span", "_tokens", "_tracer", "_tracing")

    def __init__(
        self,
        tracing: Tracing,
        tracer: Tracer,
        name: str,
        side: Side,
        parent: Mapping[str, str] | None,
        facts: Mapping[str, Fact],
    ) -> None:
        self._tracing, self._tracer, self._name, self._side = tracing, tracer, name, side
        self._parent, self._facts = parent, facts

    def __enter__(self) -> Self:
        parent = None if self._parent is None else _W3C.extract(self._parent, context.Context())
        self._span = self._tracer.start_span(
            self._name,
            parent,
            kind=_KINDS[self._side],
            attributes=_attributes(self._facts),
            record_exception=False,
            set_status_on_exception=False,
        )
        keeper = self._tracing if self._span.is_recording() else _UNSAMPLED
        self._tokens: tuple[Any, Any] = (
            context.attach(trace.set_span_in_context(self._span)),
            under_way.set(keeper),
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._span.set_attribute(FACTS["error"], getattr(error, "code", type(error).__name__))
            self._span.set_status(StatusCode.ERROR)
        self._span.end()
        attached, kept = self._tokens
        under_way.reset(kept)
        context.detach(attached)

    def note(self, **facts: Fact) -> None:
        """See the port."""
        self._span.set_attributes(_attributes(facts))
        if "error" in facts:
            self._span.set_status(StatusCode.ERROR)


def _attributes(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    return {FACTS[name]: value for name, value in facts.items() if name in FACTS}


def _carried() -> Mapping[str, str]:
    headers: dict[str, str] = {}
    _W3C.inject(headers)
    return headers
