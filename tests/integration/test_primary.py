"""Patience, breakers and quota around a vault: by the real store where time is real, in memory where it is not."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable
from uuid import uuid4

import pytest

from holdfast.domain.intent import Marker
from holdfast.domain.names import SecretName
from holdfast.domain.secret import Attributes, SecretValue
from holdfast.errors import (
    BackendRefused,
    BackendUnavailable,
    CircuitOpen,
    NameRefused,
    NameUnavailable,
    OutcomeUnknown,
    SecretNotFound,
    Throttled,
)
from holdfast.ports import Vault, VaultVersion
from holdfast.resilience.breaker import BreakerState
from holdfast.resilience.clock import SystemClock
from holdfast.resilience.quota import Quota, QuotaKind
from holdfast.resilience.retry import RetryPolicy
from holdfast.resilience.wakefulness import Wakefulness
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

    async def decided(self) -> None:
        """Let the question be answered that is under way, if there is one."""
        for line in self.primary._lines:
            if (asking := line.confirmation._asking) is not None:
                await asking

    async def break_reads(self) -> None:
        self.vault.down = True
        for _ in range(5):
            with pytest.raises(BackendUnavailable):
                await self.primary.read_once(NAME)
        self.vault.down = False


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
    for _ in range(3):
        with pytest.raises(BackendUnavailable) as caught:
            await bench.write()
        assert not isinstance(caught.value, NameUnavailable)
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


async def test_i12_one_forbidden_secret_opens_no_breaker_and_is_asked_for_less_and_less() -> None:
    bench = Bench()
    bench.vault.fail("get", BackendRefused("403", forbidden=True), times=200)
    for _ in range(600):
        with pytest.raises(NameRefused):
            await bench.primary.read_once(NAME)
        await bench.decided()
        bench.clock.move(0.1)
    assert bench.primary.breakers["read"] == "closed"
    assert bench.vault.calls.total() <= 20  # a minute of reads, ten a second: 1, 2, 4 ... s apart
    bench.vault.heal()
    bench.clock.move(60)
    assert (await bench.primary.read_once(NAME)).value is not None


async def test_thirty_odd_names_that_agree_prove_nothing() -> None:
    bench = Bench()
    await bench.primary.read_once(OTHER)
    odd = [SecretName(f"odd-{number}") for number in range(30)]
    for error in (BackendUnavailable("500"), BackendRefused("403", forbidden=True)):
        for name in odd:
            bench.vault.fail("get", error)
            with pytest.raises(NameUnavailable):
                await bench.primary.read_once(name)
            await bench.decided()
        assert bench.primary.breakers["read"] == "closed"
        assert (await bench.primary.read_once(OTHER)).value is not None
        bench.clock.move(60)


async def test_thirty_names_at_once_share_one_question() -> None:
    bench = Bench()
    await bench.primary.read_once(OTHER)
    bench.vault.calls.clear()
    bench.vault.fail("get", times=30)
    odd = [bench.primary.read_patiently(SecretName(f"odd-{number}")) for number in range(30)]
    bench.primary._policy = RetryPolicy(retries=0)
    failed = await asyncio.gather(*odd, return_exceptions=True)
    assert {type(error) for error in failed} == {NameUnavailable}
    assert bench.vault.calls == {"get": 31}


async def test_an_identity_that_may_only_get_is_asked_for_names_it_got() -> None:
    bench = Bench()
    await bench.primary.read_once(OTHER)
    bench.vault.fail("secrets", BackendRefused("403", forbidden=True), times=99)
    for _ in range(3):
        with pytest.raises(NameRefused):
            _ = [entry async for entry in bench.primary.secrets()]
        bench.vault.fail("get")
        with pytest.raises(NameUnavailable):
            await bench.primary.read_once(NAME)
        await bench.decided()
        bench.clock.move(60)
    assert bench.primary.breakers["read"] == "closed"


async def test_a_vault_that_refuses_everything_opens_the_breaker() -> None:
    bench = Bench()
    refusal = BackendRefused("403", forbidden=True)
    bench.vault.fail("get", refusal, times=20)
    bench.vault.fail("secrets", refusal, times=20)
    for number in range(5):
        with pytest.raises(BackendUnavailable):
            await bench.primary.read_once(SecretName(f"secret-{number}"))
        await bench.decided()
    assert bench.primary.breakers["read"] == "open"


async def test_a_vault_that_answers_nothing_opens_the_breaker_within_five_reads() -> None:
    bench = Bench()
    for name in (NAME, OTHER):
        await bench.primary.read_once(name)
    for operation in ("get", "secrets"):
        bench.vault.fail(operation, times=20)
    reads = 0
    while bench.primary.breakers["read"] == "closed":
        with pytest.raises(BackendUnavailable):
            await bench.primary.read_once(SecretName(f"secret-{reads}"))
        await bench.decided()
        reads += 1
    assert reads <= 5


async def test_who_waits_is_told_whether_it_is_the_vault() -> None:
    bench = Bench()
    bench.vault.fail("get")
    with pytest.raises(NameUnavailable):
        await bench.primary.read(NAME, lambda vault: vault.get(NAME))
    bench.clock.move(60)
    bench.vault.fail("get")
    bench.vault.fail("secrets")
    with pytest.raises(BackendUnavailable) as caught:
        await bench.primary.read(NAME, lambda vault: vault.get(NAME))
    assert not isinstance(caught.value, NameUnavailable)


async def test_a_patient_read_waits_for_a_verdict_that_a_quick_one_does_not_wait_for() -> None:
    bench = Bench()
    bench.vault.fail("get")
    with pytest.raises(NameUnavailable):
        await bench.primary.read_once(NAME)
    with pytest.raises(NameUnavailable):
        await bench.primary.read_once(NAME)
    assert bench.vault.calls == {"get": 1}
    assert (await bench.primary.read_patiently(NAME)).value is not None


async def test_a_question_that_breaks_leaves_no_name_undecided() -> None:
    bench = Bench()
    bench.vault.fail("get")
    bench.vault.fail("secrets", ValueError("a fault of ours"))  # type: ignore[arg-type]  # what no vault may raise
    with pytest.raises(NameUnavailable):
        await bench.primary.read_once(NAME)
    await bench.decided()
    assert (await bench.primary.read_once(NAME)).value is not None


async def test_a_change_in_the_listing_lets_an_odd_name_be_asked_for_at_once() -> None:
    bench = Bench()
    for _ in range(3):
        bench.vault.fail("get")
        with pytest.raises(NameUnavailable):
            await bench.primary.read_once(NAME)
        await bench.decided()
        bench.clock.move(2)
    _ = [entry async for entry in bench.primary.secrets()]
    bench.vault.fail("get", times=9)
    for _ in range(3):
        with pytest.raises(NameUnavailable):
            await bench.primary.read_once(NAME)
        await bench.decided()
    bench.vault.heal()
    bench.vault.model.set(NAME, "mended", Attributes())
    _ = [entry async for entry in bench.primary.secrets()]
    assert (await bench.primary.read_once(NAME)).value is not None


async def test_a_forbidden_secret_leaves_the_probe_to_others() -> None:
    bench = Bench()
    bench.vault.fail("get", BackendRefused("403", forbidden=True), times=2)
    for _ in range(2):
        with pytest.raises(NameRefused):
            await bench.primary.read_once(OTHER)
        await bench.decided()
    await bench.break_reads()
    bench.clock.move(1)
    with pytest.raises(BackendUnavailable):
        await bench.primary.read_once(OTHER)
    assert (await bench.primary.read_once(NAME)).value is not None
    assert (await bench.primary.read_once(OTHER)).value is not None


async def test_probes_take_turns_among_names() -> None:
    bench = Bench()
    await bench.break_reads()
    bench.clock.move(1)
    bench.vault.fail("get")
    bench.vault.fail("secrets")
    with pytest.raises(BackendUnavailable):
        await bench.primary.read_once(NAME)
    await bench.decided()
    assert bench.primary.breakers["read"] == "open"
    bench.clock.move(2)
    with pytest.raises(CircuitOpen):
        await bench.primary.read_once(NAME)
    assert (await bench.primary.read_once(OTHER)).value is not None


async def test_an_odd_name_that_probes_closes_the_breaker_if_the_vault_answers() -> None:
    bench = Bench()
    await bench.break_reads()
    bench.clock.move(1)
    bench.vault.fail("get")
    with pytest.raises(NameUnavailable):
        await bench.primary.read_once(NAME)
    assert bench.primary.breakers["read"] == "half-open"
    await bench.decided()
    assert bench.primary.breakers["read"] == "closed"


async def test_a_slow_read_costs_the_patience_and_counts() -> None:
    clock = SystemClock()
    vault = MemoryVault(clock)
    primary = Primary(vault, clock, patience_s=0.02)
    vault.slow("get", 60, times=9)
    vault.slow("secrets", 60, times=9)
    for number in range(5):
        with pytest.raises(BackendUnavailable, match=r"within|OPEN"):
            await primary.read_once(SecretName(f"k{number}"))
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
    bench.vault.fail("touch", Throttled("429", retry_after_s=1), times=2)
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
    bench.vault.fail("secrets", times=5)
    for _ in range(3):
        with pytest.raises(BackendUnavailable):
            _ = [entry async for entry in bench.primary.versions(NAME)]
    with pytest.raises(CircuitOpen):
        _ = [name async for name in bench.primary.deleted_secrets()]
    bench.vault.heal()
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


# --- a process that stood still


class Stopped:
    """A vault whose calls fail while the process stands still, and the clock that tells."""

    def __init__(self) -> None:
        self.bench, self.time = Bench(), 0.0
        self.primary = Primary(
            self.bench.vault, self.bench.clock, awake=Wakefulness(self.bench.vault.reconnect, lambda: self.time)
        )

    def fail(self, operation: str, error: BackendUnavailable, *, times: int = 1) -> None:
        """Let calls fail, each after a minute of standing still."""
        honest = getattr(self.bench.vault, operation)
        left = itertools.repeat(None, times)

        async def failing(*arguments: object) -> object:
            if next(left, self) is self:
                return await honest(*arguments)
            self.time += 60
            raise error

        setattr(self.bench.vault, operation, failing)


@pytest.fixture
async def stopped() -> AsyncIterator[Stopped]:
    stopped = Stopped()
    task = asyncio.create_task(stopped.primary.awake.run())
    await asyncio.sleep(0)
    yield stopped
    task.cancel()


async def test_a_read_that_failed_while_we_stood_still_is_asked_again_on_a_new_connection(stopped: Stopped) -> None:
    stopped.fail("get", BackendUnavailable("reset"))
    assert (await stopped.primary.read_once(NAME)).value is not None
    assert stopped.bench.vault.calls == {"get": 1, "reconnect": 1}


async def test_failures_while_we_stood_still_count_for_nothing(stopped: Stopped) -> None:
    stopped.fail("get", BackendUnavailable("refused", certain=True), times=20)
    for _ in range(10):
        with pytest.raises(NameUnavailable):
            await stopped.primary.read_once(NAME)
    assert stopped.primary.breakers["read"] == "closed"
    assert (await stopped.primary.read_once(NAME)).value is not None


async def test_a_change_that_may_have_been_sent_before_is_not_sent_again(stopped: Stopped) -> None:
    def put(vault: Vault) -> Awaitable[VaultVersion]:
        return vault.set(NAME, SecretValue("new"), Attributes(), MARKER)

    stopped.fail("set", OutcomeUnknown("reset"))
    with pytest.raises(OutcomeUnknown):
        await stopped.primary.write(NAME, put)
    stopped.fail("set", BackendUnavailable("never sent", certain=True))
    assert (await stopped.primary.write(NAME, put)).value is not None
    assert stopped.primary.breakers["write"] == "closed"


async def test_a_page_that_failed_while_we_stood_still_ends_its_listing(stopped: Stopped) -> None:
    """Asked again, a listing that is broken would say that it is at its end."""

    async def broken(_: SecretName) -> AsyncIterator[VaultVersion]:
        stopped.time += 60
        raise BackendUnavailable("reset")
        yield

    stopped.bench.vault.versions = broken  # type: ignore[method-assign, assignment]
    with pytest.raises(BackendUnavailable):
        _ = [entry async for entry in stopped.primary.versions(NAME)]


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


async def test_a_hanging_vault_costs_a_few_patiences_and_then_nothing(
    scripted: ScriptedVault, primary: Primary
) -> None:
    for operation in ("get", "list"):
        scripted.fail(operation, hang=True, times=50)
    names = [SecretName(f"k{number}") for number in range(50)]
    for name in names:
        with pytest.raises(BackendUnavailable):
            await primary.read_once(name)
    assert primary.breakers["read"] == "open"
    assert scripted.calls["get"] <= 5


async def test_a_dead_port_opens_the_breaker(scripted: ScriptedVault, primary: Primary) -> None:
    async with scripted.refusing():
        for number in range(8):
            with pytest.raises(BackendUnavailable):
                await primary.read_once(SecretName(f"k{number}"))
    assert primary.breakers == {"read": "open", "write": "closed"}
    assert not scripted.calls


async def test_a_secret_that_hangs_leaves_the_others_alone(scripted: ScriptedVault, primary: Primary) -> None:
    scripted.model.set(OTHER, "v", Attributes())
    for _ in range(3):
        scripted.fail("get", hang=True)
        with pytest.raises(NameUnavailable):
            await primary.read(NAME, lambda vault: asyncio.wait_for(vault.get(NAME), 0.1))
        assert (await primary.read_once(OTHER)).value is not None
    assert primary.breakers["read"] == "closed"


async def test_a_change_that_hangs_after_taking_effect_is_unknown(scripted: ScriptedVault, primary: Primary) -> None:
    scripted.fail("set", hang=True, applied="once")
    with pytest.raises(OutcomeUnknown):
        await primary.write(NAME, lambda vault: vault.set(NAME, SecretValue("n"), Attributes(), MARKER), creates=True)
    assert [version.marker for version in await all_versions(primary, NAME) if version.marker] == [MARKER]
    assert scripted.calls["set"] == 1


async def test_a_reconnected_store_uses_no_connection_from_before(scripted: ScriptedVault) -> None:
    scripted.reset()
    scripted.model.set(NAME, "v", Attributes())
    store = scripted.connect()
    await store.get(NAME)
    before = set(scripted._server.connections)
    await store.get(NAME)
    assert set(scripted._server.connections) == before
    store.reconnect()
    await store.get(NAME)
    assert set(scripted._server.connections) - before
    await store.aclose()


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
