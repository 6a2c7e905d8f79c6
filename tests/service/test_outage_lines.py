"""Each outage is two lines in the log at the level info, however many requests and rounds meet it."""

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult

from holdfast.auth.jwks import UNKNOWN_KEY_PAUSE_S, KeySource
from holdfast.config.issuers import IssuerSettings
from holdfast.errors import BackendUnavailable, HoldfastError, Rejected
from holdfast.service.audit.streaming import RECORDS, Stream, Streamer
from holdfast.service.manager import SecretsService
from holdfast.stores.postgres.streams import PostgresStreams
from holdfast.telemetry.tracing.sending import Sender
from tests.support.cable import cable_to
from tests.support.clock import VirtualClock
from tests.support.issuer import LocalIssuer
from tests.support.lines import lines_of
from tests.support.node import Inside, service_on, within
from tests.support.scripted_vault import ScriptedVault
from tests.support.world import World

READS = 20


async def reads(service: SecretsService) -> None:
    for _ in range(READS):
        await service.invalidate_cache("k")
        await service.get_secret("k")


def outage(told: Sequence[tuple[str, str]], what: str) -> bool:
    """Whether just this was told: that something fails, and that it works again."""
    begins = [
        (level, text.startswith(f"{what} {word}"))
        for (level, text), word in zip(told, ["fails", "works"], strict=False)
    ]
    return len(told) == 2 and begins == [("warning", True), ("info", True)]


async def test_an_outage_of_key_vault_is_two_lines(
    database_url: str, data_folder: Path, scripted: ScriptedVault
) -> None:
    patience = timedelta(milliseconds=200)
    async with service_on(database_url, data_folder, scripted, background=True, read_patience=patience) as service:
        await service.set_secret("k", "v")
        with lines_of("holdfast") as told, lines_of("azure.core") as of_the_sdk:
            async with scripted.refusing():
                await reads(service)
                assert not (await service.set_secret("other", "v")).replicated
                await within(60, lambda: failing(service, "keyvault"))
            await within(60, lambda: well(service))
        assert outage(told, "Key Vault"), told
        assert of_the_sdk == []


async def test_an_outage_of_postgresql_is_two_lines(database_url: str, data_folder: Path) -> None:
    async with (
        cable_to(database_url) as cable,
        service_on(cable.dsn, data_folder, background=True) as service,
    ):
        await service.set_secret("k", "v")
        await service.get_secret("k")
        with lines_of("holdfast") as told:
            cable.cut()
            await within(60, lambda: failing(service, "postgresql"))
            for _ in range(READS):
                await service.get_secret("k")
            await asyncio.sleep(3)  # for every loop to meet it
            cable.mend()
            await within(60, lambda: well(service))
        assert outage(told, "PostgreSQL"), told


async def test_a_parked_change_is_two_lines(world: World) -> None:
    world.vault.down = True
    assert not await world.set("poison")
    world.vault.heal()
    with lines_of("holdfast") as told:
        for _ in range(3):
            world.vault.fail("set", Rejected("the tags are too long"))
            await world.replay()
        world.vault.heal()
        await world.reconciler.reconcile(retry=True)
    assert [level for level, _ in told] == ["warning", "info"], told
    assert "it is parked: set of" in told[0][1]
    assert told[1][1].startswith("Key Vault has taken a change that was parked: set of")


async def test_a_parked_change_that_is_retried_during_an_outage_is_told_of_when_it_is_taken(world: World) -> None:
    world.vault.down = True
    assert not await world.set("poison")
    world.vault.heal()
    world.vault.fail("set", Rejected("the tags are too long"))
    await world.replay()
    with lines_of("holdfast") as told:
        world.vault.down = True
        assert (await world.reconciler.reconcile(retry=True)).retried == 1
        assert (await world.reconciler.reconcile(retry=True)).retried == 0, "it is open, and no longer parked"
        assert not [line for line in told if "parked" in line[1]]
        world.vault.heal()
        await world.replay()
    ((level, line),) = [line for line in told if "parked" in line[1]]
    assert level == "info"
    assert line.startswith("Key Vault has taken a change that was parked: set of")


async def test_an_outage_of_a_stream_is_two_lines(inside: Inside) -> None:
    outlet = Outlet()
    streamer = Streamer([Stream(RECORDS, outlet)], PostgresStreams(inside.database), inside.parts.clock)
    with lines_of("holdfast") as told:
        for outlet.broken in (True, True, True, False, False):
            await inside.service.set_secret("k", "v")
            await inside.parts.trail.aclose()
            await streamer._round(streamer.streams[0], 1.0)
    assert outage(told, "Streaming records to memory"), told


async def test_an_outage_of_an_issuer_is_two_lines() -> None:
    clock, issuer = VirtualClock(), Issuer()
    settings = IssuerSettings(
        name="github",
        issuer="https://issuer.example",
        audiences=frozenset({"a"}),
        required_claims={},
        jwks_uri="https://issuer.example/keys",
    )
    source = KeySource(settings, clock, issuer)
    with lines_of("holdfast") as told:
        for issuer.broken in (True, True, True, False, False):
            with suppress(BackendUnavailable):
                await source.keys("unknown")
            await clock.advance(UNKNOWN_KEY_PAUSE_S)
    assert outage(told, "Renewing the keys of issuer github"), told


def test_an_outage_of_a_collector_of_spans_is_two_lines() -> None:
    exporter, provider = Exporter(), TracerProvider()
    sender = Sender(exporter, lambda _: None)  # type: ignore[arg-type]  # as exporters are
    provider.add_span_processor(sender)
    with lines_of("holdfast") as told:
        for exporter.broken in (True, True, True, False, False):
            exporter.asked.clear()
            provider.get_tracer("test").start_span("a").end()
            assert exporter.asked.wait(30)
        sender.shutdown()
    assert outage(told, "Sending spans"), told


class Outlet:
    name, broken = "memory", False

    async def send(self, lines: Sequence[bytes]) -> None:
        if self.broken:
            raise BackendUnavailable("the receiver went away")


class Issuer:
    broken = False

    async def __call__(self, url: str) -> Any:
        if self.broken:
            raise BackendUnavailable("it does not answer")
        return LocalIssuer(0, Path()).document("/keys")


class Exporter:
    def __init__(self) -> None:
        self.broken, self.asked = False, threading.Event()

    def export(self, spans: Sequence[object]) -> SpanExportResult:
        result = SpanExportResult.FAILURE if self.broken else SpanExportResult.SUCCESS
        self.asked.set()
        return result

    def shutdown(self) -> None: ...


async def failing(service: SecretsService, backend: str) -> bool:
    return any(each.name == backend and not each.healthy for each in service.backends())


async def well(service: SecretsService) -> bool:
    try:
        done = await service.set_secret("k", "w")
        await service.get_secret("k")
    except HoldfastError:
        return False
    return done.replicated in {True, None} and all(each.healthy for each in service.backends() if each.configured)
