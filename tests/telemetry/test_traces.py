"""Traces: the spans of each kind of work as a collector receives them, from real processes, and what it costs them."""

import asyncio
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult

from holdfast.domain.extras import to_add
from holdfast.errors import HoldfastError
from holdfast.outbound.posting import post
from holdfast.ports import UNTRACED, Side, carried, traced
from holdfast.telemetry.tracing import TracingOptions, open_tracing
from holdfast.telemetry.tracing.sending import BATCH, QUEUE, Sender
from holdfast.telemetry.tracing.spans import FACTS, OpenTelemetry
from holdfast.web.traced import _name
from tests.support.canaries import Sweep, canary
from tests.support.collector import INSTRUMENTATION_KEY, Collector, Sent
from tests.support.https import Client
from tests.support.node import ALICE, service_on, within
from tests.support.scripted_vault import CLIENT_ID, CLIENT_SECRET, TENANT, ScriptedVault
from tests.support.serving import serving

LOST = 'holdfast_spans_dropped_total{reason="refused"}'
V = "?api-version=7.4"
SERVER = 2
CALLER = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


@pytest.fixture
async def vault() -> AsyncIterator[ScriptedVault]:
    async with ScriptedVault() as vault:
        yield vault


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with Collector() as collector:
        yield collector


def behind(vault: ScriptedVault) -> dict[str, str]:
    """The settings of a server in front of a vault."""
    return {
        "AZURE_KEYVAULT_URL": vault.url,
        "AZURE_AUTHORITY_HOST": vault.url,
        "AZURE_TENANT_ID": TENANT,
        "AZURE_CLIENT_ID": CLIENT_ID,
        "AZURE_CLIENT_SECRET": CLIENT_SECRET,
        "HOLDFAST_KEYVAULT_CA": str(vault.ca_file),
    }


def settled_replays(collector: Collector) -> list[Sent]:
    return [span for span in collector.named("replay") if span.facts["holdfast.progress"] == "settled"]


async def registered(database_url: str, data_folder: Path, sweep: Sweep) -> str:
    async with service_on(database_url, data_folder) as service:
        await service.grant_access("*", "app", ["get", "set", "rotate"])
        return sweep.mark("client secret", await service.add_client("app"))


async def test_the_life_of_a_write_a_read_a_replay_and_a_rotation(
    database_url: str, data_folder: Path, tmp_path: Path, vault: ScriptedVault, collector: Collector
) -> None:
    """Two workers, a caller's trace that goes on here and at Key Vault, an outage, and no secret in any byte."""
    sweep = Sweep()
    secret = await registered(database_url, data_folder, sweep)
    value = sweep.mark("value", canary())
    log = tmp_path / "log"
    settings = {**behind(vault), **collector.otlp, "HOLDFAST_LOG_LEVEL": "debug", "HOLDFAST_LOG_FORMAT": "json"}
    settings["OTEL_SERVICE_NAME"] = "vault-of-ours"
    async with serving(database_url, data_folder, "--workers", "2", logs=log, **settings) as server:
        client = await server.client("app", secret)
        sweep.mark("token", client.token or "")
        written = await client.request("PUT", f"/secrets/db-password{V}", {"value": value}, CALLER)
        read = await client.request("GET", f"/secrets/db-password{V}", headers={**CALLER, "X-Request-Id": "mine-7"})
        assert (written.status, read.json["value"]) == (200, value)
        missing = await client.request("GET", f"/v1/secrets/not-there?{value}=1")
        assert missing.status == 400
        async with vault.refusing():
            answer = await client.request("PUT", f"/secrets/in-the-outage{V}", {"value": value})
            assert answer.status == 200
        await collector.until(lambda: settled_replays(collector))
        policy = {"handler": "random", "auto_rotate": True}
        made = await client.request("PUT", "/v1/secrets/turns", {"value": value, "rotation_policy": policy})
        assert made.status == 200, made.body
        rotated = await client.request("POST", "/v1/secrets/turns/rotate")
        assert rotated.status == 200, rotated.body
        assert await server.stop() == 0  # the last spans are sent on the way out
    sweep.saw("traces", *collector.raw)
    sweep.saw("logs", log.read_bytes())
    assert "\n".join(map(str, sweep.hits())) == ""
    _written(collector, vault)
    _read(collector)
    _replayed(collector)
    _rotated(collector)
    assert {resource["service.name"] for resource in collector.resources} == {"vault-of-ours"}
    names = {b"db-password", b"in-the-outage", b"turns", b"not-there", b"app"}
    assert [name for name in names for raw in collector.raw if name in raw and name != b"app"] == []
    assert {name for span in collector.spans for name in span.facts} <= set(FACTS.values())


def _written(collector: Collector, vault: ScriptedVault) -> None:
    (request, *_) = collector.named("PUT /secrets")
    assert (request.trace, request.parent) == tuple(CALLER["traceparent"].split("-")[1:3])
    assert (request.kind, request.facts["http.response.status_code"]) == (SERVER, 200)
    tree = collector.trees("PUT /secrets")[0]
    write, steps = tree[1][0]
    assert (write, [step[0] for step in steps]) == (
        "write",
        ["keyvault.read", "postgresql.transaction", "replicate", "postgresql.transaction"],
    ), "Key Vault is asked between the change's proposal and its taking effect"
    assert [child[0] for child in steps[2][1]] == ["keyvault.write"]
    told = {parent.split("-")[2] for parent in vault.parents if parent.split("-")[1:2] == [request.trace]}
    assert told <= {span.id for span in collector.spans if span.name.startswith("keyvault.")}
    assert len(told) >= 2, "Key Vault can go on with the trace"


def _read(collector: Collector) -> None:
    request = next(each for each in collector.named("GET /secrets") if each.facts["holdfast.request_id"] == "mine-7")
    assert request.trace == CALLER["traceparent"].split("-")[1]
    ids = [each.id for each in collector.named("GET /secrets")]
    tree = dict(zip(ids, collector.trees("GET /secrets"), strict=True))[request.id]
    (read,) = tree[1]
    assert read[0] == "read"
    assert [child[0] for child in read[1]][-1] == "audit"
    sources = {span.facts.get("holdfast.source") for span in collector.named("read")}
    assert sources & {"cache", "keyvault", "mirror"}
    (refused,) = (span for span in collector.spans if span.name == "GET /v1/secrets")
    assert refused.facts["http.response.status_code"] == 400


def _replayed(collector: Collector) -> None:
    settled = settled_replays(collector)[0]
    assert settled.parent == "", "nobody asked for it"
    assert settled.facts["holdfast.request_id"].startswith("replay:")
    assert settled.facts["holdfast.intent"] == "set"
    below = {span.name for span in collector.spans if span.parent == settled.id}
    assert below >= {"keyvault.read", "keyvault.write"}


def _rotated(collector: Collector) -> None:
    (tree,) = collector.trees("rotation")
    assert [child[0] for child in tree[1] if child[0].startswith("rotation.")] == [
        *("rotation.create", "rotation.apply", "rotation.test", "rotation.promote"),
    ]
    (rotation,) = collector.named("rotation")
    assert rotation.facts["holdfast.trigger"] == "manual"
    promote = next(child for child in tree[1] if child[0] == "rotation.promote")
    assert {child[0] for child in promote[1]} >= {"postgresql.transaction", "replicate"}


# --- a collector that is no help


@pytest.mark.parametrize("mood", ["hanging", "gone"])
async def test_no_collector_is_waited_for(
    database_url: str, data_folder: Path, collector: Collector, mood: Any
) -> None:
    """Requests go on, what is lost is counted, and a node that is told to stop stops."""
    secret = await registered(database_url, data_folder, Sweep())
    settings = {**collector.otlp, "HOLDFAST_METRICS_TOKEN": "m" * 32, "HOLDFAST_DRAIN": "0"}
    collector.mood = mood
    if mood == "gone":
        await collector.close()
    async with serving(database_url, data_folder, logs=None, **settings) as server:
        client = await server.client("app", secret)
        for _ in range(20):
            assert (await client.request("PUT", f"/secrets/a{V}", {"value": "x"})).status == 200
            assert (await client.request("GET", f"/secrets/a{V}")).status == 200
        if mood != "gone":
            await collector.until(lambda: collector.asked)
        scraper = Client(client.port, client.ca_file, "m" * 32)

        async def counted() -> bool:
            text = (await scraper.request("GET", "/metrics")).body.decode()
            (line,) = (
                each for each in text.splitlines() if each.startswith('holdfast_spans_dropped_total{reason="ref')
            )
            return float(line.split()[1]) > 0

        if mood != "hanging":  # it takes 10 s until the exporter gives up
            await within(60, counted)
        began = time.monotonic()
        assert await server.stop() == 0
        assert time.monotonic() - began < 30


class Slow:
    """An exporter that is held up for as long as ``held``."""

    def __init__(self) -> None:
        self.held = threading.Event()
        self.sent = 0

    def export(self, batch: Sequence[Any]) -> Any:
        self.held.wait(30)
        self.sent += len(batch)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing is open."""


def test_the_queue_is_bounded_and_every_span_is_sent_or_counted() -> None:
    """I14."""
    exporter, dropped = Slow(), Counter[str]()
    sender = Sender(exporter, lambda reason: dropped.update([reason]))  # type: ignore[arg-type]  # as exporters are
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(sender)
    tracer, made = provider.get_tracer("test"), 2 * QUEUE
    for _ in range(made):
        tracer.start_span("x").end()
    assert dropped["full"] >= made - QUEUE - BATCH
    exporter.held.set()
    provider.shutdown()
    assert exporter.sent + dropped.total() == made


async def test_an_error_is_told_by_its_kind_and_never_by_its_text(
    database_url: str, data_folder: Path, collector: Collector
) -> None:
    sweep = Sweep()
    value = sweep.mark("value", canary())
    settings = {"otlp_endpoint": collector.url, "background": True}
    async with service_on(database_url, data_folder, **settings) as service:  # type: ignore[arg-type]
        assert service.tracing is not None
        await service.set_secret("a", value)
        for call in (service.get_secret("a", context=ALICE), service.set_secret("a", value, expected_generation=9)):
            with pytest.raises(HoldfastError):
                await call
        with pytest.raises(ValueError, match=value), service.tracing.span("read", Side.INSIDE, {"value": value}):
            raise ValueError(value)
    sweep.saw("traces", *collector.raw)
    assert "\n".join(map(str, sweep.hits())) == ""
    kinds = {(span.name, span.facts.get("error.type")) for span in collector.spans if span.failed}
    assert kinds >= {("read", "access_denied"), ("write", "generation_mismatch"), ("read", "ValueError")}


# --- Application Insights


async def test_application_insights_gets_traces_and_metrics(
    database_url: str, data_folder: Path, vault: ScriptedVault, collector: Collector, tmp_path: Path
) -> None:
    sweep = Sweep()
    secret = await registered(database_url, data_folder, sweep)
    value = sweep.mark("value", canary())
    settings = {**behind(vault), **collector.insights, "HOLDFAST_DRAIN": "0", "HOLDFAST_LOG_LEVEL": "debug"}
    async with serving(database_url, data_folder, logs=tmp_path / "log", **settings) as server:
        client = await server.client("app", secret)
        sweep.mark("token", client.token or "")
        assert (await client.request("PUT", f"/secrets/a{V}", {"value": value}, CALLER)).status == 200
        assert (await client.request("GET", f"/secrets/a{V}", headers=CALLER)).status == 200
        assert (await client.request("GET", f"/secrets/missing{V}")).status == 404
        assert await server.stop() == 0
    sweep.saw("insights", *collector.raw)
    sweep.saw("logs", (tmp_path / "log").read_bytes())
    assert "\n".join(map(str, sweep.hits())) == ""
    assert {item["iKey"] for item in collector.items} == {INSTRUMENTATION_KEY}
    requests = {item["data"]["baseData"]["name"]: item for item in collector.items if of(item) == "RequestData"}
    assert requests.keys() >= {"PUT /secrets", "GET /secrets"}
    assert requests["PUT /secrets"]["tags"]["ai.operation.id"] == CALLER["traceparent"].split("-")[1]
    assert requests["PUT /secrets"]["data"]["baseData"]["responseCode"] == "200"
    parts = {item["data"]["baseData"]["name"] for item in collector.items if of(item) == "RemoteDependencyData"}
    assert parts >= {"read", "write", "audit", "keyvault.write", "postgresql.transaction"}
    counted = {
        point["name"]: point
        for item in collector.items
        if of(item) == "MetricData"
        for point in item["data"]["baseData"]["metrics"]
    }
    assert counted["secrets_set_success_total"]["value"] == 1
    assert counted["secrets_get_failure_total"]["value"] == 1
    assert counted["secrets_get_duration_ms"]["count"] == 1
    assert counted["secrets_keyvault_connected"]["value"] == 1
    assert list(tmp_path.glob("**/*azuremonitor*")) == [], "nothing is left on disk"


def of(item: dict[str, Any]) -> str:
    return str(item["data"]["baseType"])


# --- which traces


@pytest.mark.parametrize(
    ("sampler", "ratio", "parent", "kept"),
    [
        ("parentbased_always_on", 1.0, "01", True),
        ("parentbased_always_on", 1.0, "00", False),
        ("always_on", 1.0, "00", True),
        ("always_off", 1.0, "01", False),
        ("traceidratio", 0.0, "01", False),
        ("parentbased_traceidratio", 0.0, "01", True),
        ("parentbased_traceidratio", 0.0, None, False),
    ],
)
async def test_samplers_go_by_their_standard_names(
    collector: Collector, sampler: str, ratio: float, parent: str | None, kept: bool
) -> None:
    options = TracingOptions(release="1", endpoint=collector.url, sampler=sampler, ratio=ratio)
    opened = open_tracing(options, lambda _reason: None)
    assert opened is not None
    trace = CALLER["traceparent"].split("-")[1]
    asked = {"traceparent": f"00-{trace}-b7ad6b7169203331-{parent}"} if parent else {}
    with opened.tracing.span("root", Side.SERVER, {}, asked), traced("child"):
        told = carried()["traceparent"].split("-")
    assert (told[1] == trace) == (parent is not None), "others hear of the trace, kept or not"
    assert int(told[3], 16) % 2 == kept
    await asyncio.to_thread(opened.close)
    assert [span.name for span in collector.spans] == (["child", "root"] if kept else [])


async def test_others_whom_we_call_can_go_on_with_a_trace(collector: Collector) -> None:
    """Webhooks of rotations and notices: all that goes out through ``outbound``."""
    opened = open_tracing(TracingOptions(release="1", endpoint=collector.url), lambda _reason: None)
    assert opened is not None
    with opened.tracing.span("rotation", Side.INSIDE, {}):
        told = carried()["traceparent"]
        assert await post(f"{collector.url}/v1/traces", b"", {}, {collector.url}) == 200
    assert await post(f"{collector.url}/v1/traces", b"", {}, {collector.url}) == 200
    assert [headers.get("traceparent") for headers in collector.headers] == [told, None]
    await asyncio.to_thread(opened.close)


def test_a_part_of_the_traces_that_begin_here_is_kept_and_each_as_a_whole() -> None:
    tracing = OpenTelemetry(TracerProvider(shutdown_on_exit=False).get_tracer("test"), 0.5)
    kept = 0
    for _ in range(400):
        with tracing.span("root", Side.SERVER, {}, {}) as root, traced("child") as child:
            assert (root is UNTRACED) == (child is UNTRACED)
            first, again = carried()["traceparent"], carried()["traceparent"]
            assert first == again
            assert first.endswith("00") == (root is UNTRACED)
            kept += root is not UNTRACED
    assert 120 < kept < 280


@given(path=st.binary(max_size=80), method=st.sampled_from(["GET", "PUT"]))
def test_spans_of_requests_have_few_names(path: bytes, method: str) -> None:
    name = _name(method, b"/" + path)
    first = name.partition(" /")[2].partition("/")[0]
    assert first in {"", "secrets", "deletedsecrets", "v1", "healthz", "readyz", "metrics"}
    assert name.count("/") <= 2


def test_without_a_trace_under_way_a_step_is_nothing() -> None:
    assert traced("x") is traced("y") is UNTRACED
    assert dict(carried()) == {}


# --- extras


@pytest.mark.parametrize(
    ("module", "options", "said"),
    [
        ("opentelemetry.exporter", {"endpoint": "http://127.0.0.1:1"}, ("OTEL_EXPORTER_OTLP_ENDPOINT", "traces")),
        ("azure.monitor", {"insights": "x"}, ("APPLICATIONINSIGHTS_CONNECTION_STRING", "azure-monitor")),
    ],
)
def test_a_missing_extra_is_named(module: str, options: dict[str, str], said: tuple[str, str]) -> None:
    program = (
        "import sys\n"
        f"sys.modules[{module!r}] = None\n"
        "from holdfast.telemetry.tracing import TracingOptions, open_tracing\n"
        "from holdfast.errors import StartupError\n"
        f"try: open_tracing(TracingOptions(release='1', **{options!r}), print)\n"
        "except StartupError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said[0] in done.stdout, (done.stdout, done.stderr)
    assert to_add(said[1]) in done.stdout


def test_without_a_place_to_send_to_nothing_is_imported() -> None:
    program = (
        "import sys\n"
        "from holdfast.bootstrap import create_secrets_service\n"
        "from holdfast.telemetry.tracing import TracingOptions, open_tracing\n"
        "print(open_tracing(TracingOptions(release='1'), print))\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "None\n[]\n"


def test_an_application_that_traces_gets_our_spans_among_its_own() -> None:
    program = (
        "from opentelemetry import trace\n"
        "from opentelemetry.sdk.trace import TracerProvider\n"
        "from opentelemetry.sdk.trace.export import SimpleSpanProcessor\n"
        "from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter\n"
        "from holdfast.ports import Side\n"
        "from holdfast.telemetry.tracing import TracingOptions, open_tracing\n"
        "kept = InMemorySpanExporter(); provider = TracerProvider()\n"
        "provider.add_span_processor(SimpleSpanProcessor(kept)); trace.set_tracer_provider(provider)\n"
        "opened = open_tracing(TracingOptions(release='1', endpoint='http://127.0.0.1:1'), print)\n"
        "with provider.get_tracer('app').start_as_current_span('theirs'):\n"
        "    with opened.tracing.span('read', Side.INSIDE, {}): pass\n"
        "opened.close()\n"
        "ours, theirs = kept.get_finished_spans()\n"
        "print(ours.name, ours.parent.span_id == theirs.context.span_id)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "read True\n"
