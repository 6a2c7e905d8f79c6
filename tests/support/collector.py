"""Who takes traces and metrics: an OTLP receiver and Application Insights' ingestion, on loopback, byte by byte.

async with Collector() as collector:
    settings = collector.otlp          # or collector.insights
    await collector.until(lambda: "read" in collector.tree("GET /secrets"))
"""

import asyncio
import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Self

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

INSTRUMENTATION_KEY = "00000000-1111-2222-3333-444444444444"
Mood = Literal["willing", "refusing", "hanging"]
Tree = tuple[str, tuple[Any, ...]]
"""The name of a span, and the trees below it in the order in which they began."""


@dataclass(frozen=True)
class Sent:
    """A span as it was sent."""

    trace: str
    id: str
    parent: str
    name: str
    kind: int
    began: int
    failed: bool
    facts: dict[str, Any]


class Collector:
    """``spans`` as they came by OTLP, ``items`` as they came to Application Insights; ``raw``: every body, unpacked."""

    def __init__(self) -> None:
        self.spans: list[Sent] = []
        self.items: list[dict[str, Any]] = []
        self.resources: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.raw: list[bytes] = []
        self.mood: Mood = "willing"
        self.asked = 0

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024**2)
        app.router.add_post("/v1/traces", self._traces)
        app.router.add_post("/{slash:/?}v2.1/track", self._track)  # Azure's addresses end with a slash
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Take nothing any more."""
        await self._runner.cleanup()

    @property
    def otlp(self) -> dict[str, str]:
        """The settings that send traces here."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url}

    @property
    def insights(self) -> dict[str, str]:
        """The settings that send traces and metrics here as Application Insights."""
        connection = f"InstrumentationKey={INSTRUMENTATION_KEY};IngestionEndpoint={self.url}/"
        return {"APPLICATIONINSIGHTS_CONNECTION_STRING": connection}

    async def until(self, look: Callable[[], object], seconds: float = 30) -> None:
        """Wait for what was sent to be here."""
        async with asyncio.timeout(seconds):
            while not look():
                await asyncio.sleep(0.02)

    def named(self, name: str) -> list[Sent]:
        """The spans of a name, in the order of their beginning."""
        return sorted((span for span in self.spans if span.name == name), key=lambda span: span.began)

    def trees(self, name: str) -> list[Tree]:
        """What is below each span of a name."""
        return [self._below(span) for span in self.named(name)]

    def _below(self, span: Sent) -> Tree:
        children = sorted((each for each in self.spans if each.parent == span.id), key=lambda each: each.began)
        return span.name, tuple(self._below(child) for child in children)

    async def _traces(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        message = ExportTraceServiceRequest.FromString(body)
        for resource in message.resource_spans:
            self.resources.append(_facts(resource.resource.attributes))
            self.spans += [_sent(span) for scope in resource.scope_spans for span in scope.spans]
        return web.Response(body=b"", content_type="application/x-protobuf")

    async def _track(self, request: web.Request) -> web.Response:
        items = json.loads(await self._body(request))
        self.items += items
        return web.json_response({"itemsReceived": len(items), "itemsAccepted": len(items), "errors": []})

    async def _body(self, request: web.Request) -> bytes:
        self.asked += 1
        if self.mood == "hanging":
            await asyncio.sleep(3600)
        if self.mood == "refusing":
            raise web.HTTPServiceUnavailable
        body = await request.read()
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        self.raw.append(body)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        return body


def _sent(span: Any) -> Sent:
    return Sent(
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        name=span.name,
        kind=span.kind,
        began=span.start_time_unix_nano,
        failed=span.status.code == 2,
        facts=_facts(span.attributes),
    )


def _facts(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None
