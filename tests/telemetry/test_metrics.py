"""Metrics: counted by what happens, the same whichever worker is asked, and shown to Prometheus alone."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from holdfast.bootstrap.background import gauging
from holdfast.domain.secret import Source
from holdfast.errors import AccessDenied, BackendUnavailable, HoldfastError, InvalidInput
from holdfast.telemetry.cells import Cells, shared_file
from holdfast.telemetry.exposition import exposition
from holdfast.telemetry.recorder import Recorder
from holdfast.telemetry.table import METRICS, SOURCES
from tests.support.https import Client
from tests.support.node import ALICE, opened, service_on, within
from tests.support.reference import ROOT
from tests.support.scripted_vault import ScriptedVault
from tests.support.serving import serving

TOKEN = "scrape-token-of-at-least-32-characters"
SPECIFIED = (
    *("keyvault_connected", "redis_connected", "get_success", "get_failure", "get_duration_ms"),
    *("set_success", "set_failure", "cache_hit", "cache_miss", "rotation_success", "rotation_failure"),
    *("circuit_breaker_opened", "circuit_breaker_closed"),
)

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
async def vault() -> AsyncIterator[ScriptedVault]:
    async with ScriptedVault() as vault:
        yield vault


def samples(text: bytes) -> Samples:
    families = text_string_to_metric_families(text.decode())
    return {(each.name, frozenset(each.labels.items())): each.value for family in families for each in family.samples}


def at(found: Samples, name: str, **labels: str) -> float | None:
    return found.get((name, frozenset(labels.items())))


def answered(found: Samples) -> float:
    return sum(value for (name, _), value in found.items() if name == "secrets_get_success_total")


def test_the_specified_metrics_are_there_by_name() -> None:
    assert {f"secrets_{name}" for name in SPECIFIED} <= {metric.name for metric in METRICS}


def test_the_table_of_the_document_is_that_of_the_code() -> None:
    text = (ROOT / "docs" / "monitoring.md").read_text()
    assert [
        metric.shown
        for metric in METRICS
        if f"| `{metric.shown}` | {metric.label or ''} | {metric.kind.split()[0]} | {metric.meaning} |" not in text
    ] == []


def test_labels_are_bounded_and_known_beforehand() -> None:
    assert {metric.label for metric in METRICS} == {None, "source", "reason", "kind", "state"}
    assert max(len(metric.values) for metric in METRICS) == len(SOURCES)


def test_workers_count_into_one_sum_and_a_dead_ones_counts_stay() -> None:
    descriptor = shared_file(3)
    try:
        rows = [Recorder(Cells.shared(descriptor, row)) for row in range(3)]
        for recorder in (*rows, Recorder(Cells.shared(descriptor, 1))):  # the last one takes over a row
            with recorder.reading() as reading:
                reading.source = Source.MIRROR
        rows[0].show({("holdfast_breaker_state", "read"): 0.0, ("secrets_keyvault_connected", ""): 1.0})
        rows[2].show({("holdfast_breaker_state", "read"): 2.0, ("secrets_keyvault_connected", ""): 0.0})
        shown = [exposition(recorder.cells) for recorder in rows]
    finally:
        os.close(descriptor)
    assert shown[0] == shown[1] == shown[2]
    found = samples(shown[0])
    assert at(found, "secrets_get_success_total", source="mirror") == 4
    assert at(found, "secrets_get_duration_ms_count", source="mirror") == 4
    assert at(found, "secrets_cache_miss_total") == 4
    assert at(found, "holdfast_breaker_state", kind="read") == 2, "the worst of all"
    assert at(found, "secrets_keyvault_connected") == 0, "the worst of all"
    assert at(found, "secrets_redis_connected") is None, "there is none"


@pytest.mark.parametrize(
    ("error", "reason"),
    [(AccessDenied("no"), "refused"), (BackendUnavailable("away"), "failed"), (ValueError("a bug"), "failed")],
)
def test_failures_tell_whose_fault_they_are(error: Exception, reason: str) -> None:
    recorder = Recorder(Cells.alone())
    with pytest.raises(type(error)), recorder.reading():
        raise error
    found = samples(exposition(recorder.cells))
    assert at(found, "secrets_get_failure_total", reason=reason) == 1
    assert answered(found) == 0


def moves(recorder: Recorder, states: Iterable[str]) -> None:
    before = "closed"
    for state in states:
        recorder.breaker_moved("read", before, state)
        before = state


def test_a_failed_probe_is_no_second_opening() -> None:
    recorder = Recorder(Cells.alone())
    moves(recorder, ["open", "half-open", "open", "half-open", "closed"])
    found = samples(exposition(recorder.cells))
    assert at(found, "secrets_circuit_breaker_opened_total", kind="read") == 1
    assert at(found, "secrets_circuit_breaker_closed_total", kind="read") == 1
    assert at(found, "secrets_circuit_breaker_opened_total", kind="write") == 0


async def test_a_node_counts_what_it_does_and_names_nobody(
    database_url: str, data_folder: Path, vault: ScriptedVault
) -> None:
    async with opened(database_url, data_folder, vault) as node:
        service = node.service
        await service.set_secret("db-password", "s3cret-value")
        for _ in range(3):
            await service.get_secret("db-password")
        with pytest.raises(HoldfastError):
            await service.get_secret("db-password", context=ALICE)
        with pytest.raises(InvalidInput):
            await service.get_secret("not a name")
        await gauging(node.parts).look()
        text = service.metrics()
    found = samples(text)
    assert answered(found) == 3
    assert (at(found, "secrets_get_success_total", source="cache") or 0) >= 2
    assert at(found, "secrets_get_failure_total", reason="refused") == 2
    assert at(found, "secrets_set_success_total") == 1
    assert at(found, "secrets_keyvault_connected") == 1
    assert at(found, "holdfast_intents", state="parked") == 0
    assert (at(found, "holdfast_audit_records_total") or 0) >= 4
    assert not [word for word in (b"db-password", b"s3cret-value", b"alice", b"system") if word in text]


async def test_all_workers_answer_alike_and_only_to_the_token(database_url: str, data_folder: Path) -> None:
    async with service_on(database_url, data_folder) as service:
        await service.set_secret("db-password", "s3cret")
        await service.grant_access("*", "app", ["get"])
        secret = await service.add_client("app")
    async with serving(database_url, data_folder, "--workers", "2", HOLDFAST_METRICS_TOKEN=TOKEN) as server:
        client = await server.client("app", secret)
        refused = [Client(client.port, client.ca_file, token) for token in (None, TOKEN[:-1], TOKEN + "x", "", "é")]
        assert {(await each.request("GET", "/metrics")).status for each in (*refused, client)} == {401}
        scraper = Client(client.port, client.ca_file, TOKEN)

        async def reads(wanted: int) -> bool:
            counts = set()
            for _ in range(8):  # each over a connection of its own, so that both workers are asked
                answer = await scraper.request("GET", "/metrics")
                assert answer.status == 200
                counts.add(answered(samples(answer.body)))
            return counts == {wanted}

        for _ in range(10):
            assert (await client.request("GET", "/secrets/db-password?api-version=7.4")).status == 200
        assert await reads(10)
        former = set(server.children())
        server.process.send_signal(signal.SIGHUP)
        await within(60, lambda: _replaced(server.children, former))
        assert await reads(10), "no count is lost when workers are replaced"
        assert await server.stop() == 0


async def test_a_node_that_misses_changes_of_grants_shows_it(database_url: str, data_folder: Path) -> None:
    async with opened(database_url, data_folder) as node, opened(database_url, data_folder) as other:
        await node.parts.feed.stop()  # it hears of nothing any more

        async def lag() -> float | None:
            await gauging(node.parts).look()
            return at(samples(node.service.metrics()), "holdfast_grants_epoch_lag")

        assert await lag() == 0
        await other.service.grant_access("a", "alice", ["get"])
        await other.service.grant_access("b", "alice", ["get"])
        assert await lag() == 2
        await node.parts.book.load()
        assert await lag() == 0


async def _replaced(children: Callable[[], list[int]], former: set[int]) -> bool:
    await asyncio.sleep(0.1)
    now = set(children())
    return len(now) == len(former) and not now & former


async def test_without_a_token_there_are_no_metrics(database_url: str, data_folder: Path) -> None:
    async with serving(database_url, data_folder) as server:
        async with service_on(database_url, data_folder) as service:
            secret = await service.add_client("app")
        client = await server.client("app", secret)
        answer = await client.request("GET", "/metrics")
        assert (answer.status, b"secrets_" in answer.body) == (404, False)
        assert await server.stop() == 0
