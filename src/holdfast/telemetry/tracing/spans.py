"""Spans as OpenTelemetry has them."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from random import random
from types import TracebackType
from typing import Any, Final

from opentelemetry import context, trace
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
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
        for name in ("request_id", "source", "found", "intent", "attempt", "progress", "replicated", "trigger")
    },
}
"""What may be said of a span, and the name of the attribute that it becomes. Nothing else is sent."""

_KINDS: Final = {Side.SERVER: SpanKind.SERVER, Side.INSIDE: SpanKind.INTERNAL, Side.CLIENT: SpanKind.CLIENT}
_W3C: Final = TraceContextTextMapPropagator()


class OpenTelemetry:
    """Implements ``holdfast.ports.Tracing`` with a tracer.

    ``ratio``: the part that is kept of traces that begin here. What is passed over never comes to the tracer, whose
    sampler has to keep all the rest of these.
    """

    def __init__(self, tracer: Tracer, ratio: float = 1.0) -> None:
        self._tracer, self._ratio = tracer, ratio

    def span(
        self, name: str, side: Side, facts: Mapping[str, Fact], parent: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Span]:
        """See the port."""
        if self._ratio < 1.0 and not parent and _begins() and random() >= self._ratio:  # noqa: S311 - chance is meant
            return _PassedOver()
        return _Kept(self, self._tracer, name, side, parent, facts)

    def carried(self) -> Mapping[str, str]:
        """See the port."""
        return _carried()


def _begins() -> bool:
    return under_way.get() is None and not trace.get_current_span().get_span_context().is_valid


class _PassedOver:
    """A trace that begins here and is not kept. Others are told so, under ids that nobody else has."""

    __slots__ = ("_carried", "_token")

    def __init__(self) -> None:
        self._carried: Mapping[str, str] | None = None

    def __enter__(self) -> Span:
        self._token: Any = under_way.set(self)
        return UNTRACED

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        under_way.reset(self._token)

    def span(
        self, name: str, side: Side, facts: Mapping[str, Fact], parent: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Span]:
        """Keep none."""
        return UNTRACED

    def carried(self) -> Mapping[str, str]:
        """See the port."""
        if self._carried is None:
            ids = RandomIdGenerator()
            self._carried = {"traceparent": f"00-{ids.generate_trace_id():032x}-{ids.generate_span_id():016x}-00"}
        return self._carried


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

    def __enter__(self) -> Span:
        parent = None if self._parent is None else _W3C.extract(self._parent, context.Context())
        self._span = self._tracer.start_span(
            self._name,
            parent,
            kind=_KINDS[self._side],
            attributes=_attributes(self._facts),
            record_exception=False,
            set_status_on_exception=False,
        )
        kept = self._span.is_recording()
        self._tokens: tuple[Any, Any] = (
            context.attach(trace.set_span_in_context(self._span)),
            under_way.set(self._tracing if kept else _UNSAMPLED),
        )
        return self if kept else UNTRACED

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
