"""Patience, breakers and quota around a vault: by the real store where time is real, in memory where it is not."""

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from holdfast.domain.intent import Marker
from holdfast.domain.names import SecretName
from holdfast.domain.secret import Attributes, SecretValue
from holdfast.errors import (
    BackendRefused,
    BackendUnavailable,
    CircuitOpen,
    OutcomeUnknown,
    SecretNotFound,
    Throttled,
)
from holdfast.ports import Vault, VaultVersion
from holdfast.resilience.breaker import BreakerState
from holdfast.resilience.clock import SystemClock
from holdfast.resilience.quota import Quota, QuotaKind
from holdfast.service.vault.primary import Primary
from holdfast.service.vault.sighting import all_versions
from tests.support.clock import VirtualClock
from tests.support.memory_vault import MemoryVault
from tests.support.scripted_vault import ScriptedVault

NAME, OTHER = SecretName("db-password"), SecretName("api-key")
MARKER = Marker(1, uuid4())


class Bench:
    """A primary over a vault in memory, under virtual time."""

    def __init__(self, limits: dict[QuotaKind, int] | None = None) -> None:
        self.clock = VirtualClock(auto=True)
        self.vault = MemoryVault(self.clock)
        self.moves: list[tuple[str, BreakerState, BreakerState]] = []
        self.quota = Quota(self.clock, limits) if limits else Quota(self.clock)
        self.primary = Primary(
            self.vault,
            self.clock,
            quota=self.quota,
            patience_s=0.05,
            write_timeout_s=0.05,
            on_transition=lambda *move: self.moves.append(move),
        )
        for name in (NAME, OTHER):
            self.vault.model.set(name, f"value of {name}", Attributes())

    async def write(self, *, background: bool = False) -> VaultVersion:
        return await self.primary.write(
            NAME,
            lambda vault: vault.set(NAME, SecretValue("new"), Attributes(), MARKER),
            creates=True,
            background=background,
        )

    async def break_reads(self) -> None:
        self.vault.fail("get", times=5)
        for _ in range(5):
            with pytest.raises(BackendUnavailable):
                await self.primary.read_once(NAME)


async def test_five_failed_reads_open_the_read_breaker_only() -> None:
    bench = Bench()
    await bench.break_reads()
    assert bench.primary.breakers == {"read": "open", "write": "closed"}
    with pytest.raises(CircuitOpen, match="Circuit breaker is OPEN"):
        await bench.primary.read_once(NAME)
    assert bench.vault.calls["get"] == 5
    await bench.write()
    assert bench.moves == [("read", BreakerState.CLOSED, BreakerState.OPEN)]


async def test_recovery_needs_one_probe_and_no_operator() -> None:
    bench = Bench()
    await bench.break_reads()
    bench.clock.move(60)
    assert (await bench.primary.read_once(NAME)).value is not None
    assert bench.primary.breakers["read"] == "closed"


async def test_read_only_failover_breaks_writes_and_leaves_reads() -> None:
    bench = Bench()
    bench.vault.model.read_only = True
    for _ in range(5):
        with pytest.raises(BackendUnavailable):
            await bench.write()
    with pytest.raises(CircuitOpen):
        await bench.write()
    assert bench.primary.breakers == {"read": "closed", "write": "open"}
    await bench.primary.read_once(NAME)


async def test_answers_of_substance_do_not_open_the_breaker() -> None:
    bench = Bench()
    for _ in range(20):
        with pytest.raises(SecretNotFound):
            await bench.primary.read_once(SecretName("nobody"))
    assert bench.primary.breakers["read"] == "closed"


async def test_one_forbidden_secret_does_not_open_the_breaker() -> None:
    bench = Bench()
    bench.vault.fail("get", BackendRefused("403"), times=20)
    for _ in range(20):
        with pytest.raises(BackendRefused):
            await bench.primary.read_once(NAME)
    assert bench.primary.breakers["read"] == "closed"


async def test_a_vault_that_refuses_everything_opens_the_breaker() -> None:
    bench = Bench()
    bench.vault.fail("get", BackendRefused("403"), times=20)
    for number in range(5):
        with pytest.raises(BackendRefused):
            await bench.primary.read_once(SecretName(f"secret-{number}"))
    assert bench.primary.breakers["read"] == "open"


async def test_a_forbidden_secret_leaves_the_probe_to_others() -> None:
    bench = Bench()
    bench.vault.fail("get", BackendRefused("403"))
    with pytest.raises(BackendRefused):
        await bench.primary.read_once(OTHER)
    bench.vault.fail("get", times=4)
    for _ in range(4):
        with pytest.raises(BackendUnavailable):
            await bench.primary.read_once(NAME)
    bench.clock.move(60)
    with pytest.raises(CircuitOpen):
        await bench.primary.read_once(OTHER)
    assert (await bench.primary.read_once(NAME)).value is not None
    assert (await bench.primary.read_once(OTHER)).value is not None


async def test_a_slow_read_costs_the_patience_and_counts() -> None:
    clock = SystemClock()
    vault = MemoryVault(clock)
    vault.model.set(NAME, "v", Attributes())
    primary = Primary(vault, clock, patience_s=0.02)
    vault.slow("get", 60, times=5)
    for _ in range(5):
        with pytest.raises(BackendUnavailable, match="within"):
            await primary.read_once(NAME)
    assert primary.breakers["read"] == "open"


async def test_a_slow_write_is_of_unknown_outcome() -> None:
    clock = SystemClock()
    vault = MemoryVault(clock)
    primary = Primary(vault, clock, write_timeout_s=0.02)
    vault.slow("delete", 60)
    with pytest.raises(OutcomeUnknown):
        await primary.write(NAME, lambda vault: vault.delete(NAME))


async def test_a_patient_read_retries_and_answers() -> None:
    bench = Bench()
    bench.vault.fail("get", times=3)
    assert (await bench.primary.read_patiently(NAME)).value is not None
    assert bench.vault.calls["get"] == 4
    assert bench.clock.monotonic() < 30


async def test_a_patient_read_stops_at_an_open_breaker() -> None:
    bench = Bench()
    await bench.break_reads()
    with pytest.raises(CircuitOpen):
        await bench.primary.read_patiently(NAME)
    assert bench.clock.monotonic() == 0


async def test_our_own_quota_is_no_outage() -> None:
    bench = Bench({QuotaKind.OTHER: 3, QuotaKind.CREATE: 1})
    for _ in range(3):
        await bench.primary.read_once(NAME)
    for _ in range(20):
        with pytest.raises(Throttled) as caught:
            await bench.primary.read_once(NAME)
    assert caught.value.retry_after_s == 10
    assert bench.vault.calls["get"] == 3
    assert bench.primary.breakers["read"] == "closed"
    assert (await bench.primary.read_patiently(NAME)).value is not None


async def test_a_throttling_vault_slows_the_background_down() -> None:
    bench = Bench({QuotaKind.OTHER: 100, QuotaKind.CREATE: 10})
    bench.vault.fail("set", Throttled("429", retry_after_s=1))
    with pytest.raises(Throttled):
        await bench.write()
    bench.clock.move(9.5)  # the shares: 35 % after the cut
    for _ in range(3):
        await bench.write(background=True)
    assert bench.clock.monotonic() == 9.5
    await bench.write(background=True)
    assert bench.clock.monotonic() > 19


async def test_listings_pass_everything_within_the_background_quota() -> None:
    bench = Bench({QuotaKind.OTHER: 4, QuotaKind.CREATE: 1})
    for number in range(100):
        bench.vault.model.set(f"name-{number:03}", "v", Attributes())
    assert len([entry async for entry in bench.primary.secrets()]) == 102
    assert bench.clock.monotonic() >= 20  # five pages, of which the background may ask two per window


async def test_a_failing_listing_counts_for_the_breaker_and_an_abandoned_one_is_closed() -> None:
    bench = Bench()
    bench.vault.fail("versions", times=5)
    for _ in range(5):
        with pytest.raises(BackendUnavailable):
            _ = [entry async for entry in bench.primary.versions(NAME)]
    with pytest.raises(CircuitOpen):
        _ = [name async for name in bench.primary.deleted_secrets()]
    bench.clock.move(60)
    listing = bench.primary.secrets()
    await anext(listing)
    await listing.aclose()
    assert bench.primary.breakers["read"] == "closed"


async def test_a_cancelled_probe_is_not_success() -> None:
    bench = Bench()
    await bench.break_reads()
    bench.clock.move(60)

    async def never(_: Vault) -> None:
        await asyncio.Event().wait()

    bench.vault.slow("get", 0.001)
    probe = asyncio.create_task(bench.primary.read_once(NAME))
    await asyncio.sleep(0)
    assert bench.primary.breakers["read"] == "half-open"
    with pytest.raises(CircuitOpen):
        await bench.primary.read_once(OTHER)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert bench.primary.breakers["read"] == "open"


# --- the same through the SDK, over TLS


@pytest.fixture(scope="module")
async def scripted() -> AsyncIterator[ScriptedVault]:
    async with ScriptedVault() as vault:
        yield vault


@pytest.fixture
async def primary(scripted: ScriptedVault) -> AsyncIterator[Primary]:
    scripted.reset()
    scripted.model.set(NAME, "v", Attributes())
    store = scripted.connect()
    await store.get(NAME)
    scripted.calls.clear()
    yield Primary(store, SystemClock(), patience_s=0.3, write_timeout_s=0.3)
    await store.aclose()


async def test_a_hanging_vault_costs_five_patiences_and_then_nothing(scripted: ScriptedVault, primary: Primary) -> None:
    scripted.fail("get", hang=True, times=50)
    began = time.monotonic()
    for _ in range(50):
        with pytest.raises(BackendUnavailable):
            await primary.read_once(NAME)
    assert scripted.calls["get"] == 5
    assert time.monotonic() - began < 50 * 0.3


async def test_a_dead_port_opens_the_breaker(scripted: ScriptedVault, primary: Primary) -> None:
    async with scripted.refusing():
        for _ in range(8):
            with pytest.raises(BackendUnavailable):
                await primary.read_once(NAME)
    assert primary.breakers == {"read": "open", "write": "closed"}
    assert not scripted.calls


async def test_a_change_that_hangs_after_taking_effect_is_unknown(scripted: ScriptedVault, primary: Primary) -> None:
    scripted.fail("set", hang=True, applied="once")
    with pytest.raises(OutcomeUnknown):
        await primary.write(NAME, lambda vault: vault.set(NAME, SecretValue("n"), Attributes(), MARKER), creates=True)
    assert [version.marker for version in await all_versions(primary, NAME) if version.marker] == [MARKER]
    assert scripted.calls["set"] == 1


async def test_a_dead_token_endpoint_opens_the_breaker(scripted: ScriptedVault) -> None:
    scripted.reset()
    scripted.fail("token", status=503, times=9)
    store = scripted.connect()
    primary = Primary(store, SystemClock())
    for _ in range(5):
        with pytest.raises(BackendUnavailable):
            await primary.read_once(NAME)
    await store.aclose()
    assert primary.breakers["read"] == "open"
    assert scripted.calls["token"] == 5


async def test_a_patient_read_survives_a_flaky_vault(scripted: ScriptedVault, primary: Primary) -> None:
    scripted.fail("get", status=500)
    scripted.fail("get", status=429, headers={"Retry-After": "0"})
    scripted.fail("get", drop=True)
    assert (await primary.read_patiently(NAME)).value is not None
    assert scripted.calls["get"] == 4
