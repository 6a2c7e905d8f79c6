"""One odd name never takes the rest down, and a vault that is away is noticed: for any mix, in memory."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from holdfast.domain.intent import Marker
from holdfast.domain.names import SecretName
from holdfast.domain.secret import Attributes, SecretValue
from holdfast.errors import (
    BackendRefused,
    BackendUnavailable,
    CircuitOpen,
    HoldfastError,
    NameUnavailable,
    OutcomeUnknown,
    SecretNotFound,
    Throttled,
    VaultRefusal,
)
from holdfast.ports import Vault, VaultVersion
from holdfast.resilience.retry import RetryPolicy
from holdfast.service.vault.primary import Primary
from tests.integration.test_primary import MARKER
from tests.support.clock import VirtualClock
from tests.support.memory_vault import MemoryVault

T = TypeVar("T")

GOOD = [SecretName(f"good-{number}") for number in range(4)]
ODD = [SecretName(f"odd-{number}") for number in range(6)]

ODDITIES: dict[str, HoldfastError | None] = {
    "5xx": BackendUnavailable("500"),
    "forbidden": BackendRefused("403", forbidden=True),
    "no identity": BackendRefused("401"),
    "throttled": Throttled("429"),
    "lost": OutcomeUnknown("reset"),
    "its own": NameUnavailable("odd"),
    "refused": VaultRefusal("403", status=403, vault_code="SecretManagedByKeyVault"),
    "absent": SecretNotFound("404"),
    "hangs": None,
}
AWAY: dict[str, HoldfastError | None] = {
    "nothing connects": BackendUnavailable("refused", certain=True),
    "5xx": BackendUnavailable("503"),
    "forbidden": BackendRefused("403", forbidden=True),
    "no identity": BackendRefused("401"),
    "throttles": Throttled("429"),
    "hangs": None,
}


class MoodyVault(MemoryVault):
    """Fails as it is told: for single names, for listings, or altogether. None as an error stands for silence."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.odd: dict[SecretName, HoldfastError | None] = {}
        self.away: list[HoldfastError | None] = []
        self.get_only = False

    async def get(self, name: SecretName, vault_version_id: str | None = None) -> VaultVersion:
        return await self._mood(name, lambda: super(MoodyVault, self).get(name, vault_version_id))

    async def set(self, name: str, value: SecretValue, attributes: Attributes, marker: Marker | None) -> VaultVersion:
        return await self._mood(SecretName(name), lambda: super(MoodyVault, self).set(name, value, attributes, marker))

    async def touch(self, name: SecretName) -> None:
        await self._mood(name, lambda: super(MoodyVault, self).touch(name))

    async def _do(self, operation: str, work: Callable[[], T]) -> T:
        if self.get_only and operation in {"secrets", "versions"}:
            self.calls[operation] += 1
            raise BackendRefused("403 list", forbidden=True)
        if self.away:
            self.calls[operation] += 1
            await _fail(self.away[0])
        return await super()._do(operation, work)

    async def _mood(self, name: SecretName, otherwise: Callable[[], Awaitable[T]]) -> T:
        if name in self.odd and not self.away:
            self.calls["odd"] += 1
            await _fail(self.odd[name])
        return await otherwise()


async def _fail(error: HoldfastError | None) -> None:
    if error is None:
        await asyncio.Event().wait()
    else:
        made = type(error)(str(error), **{key: value for key, value in vars(error).items() if key in _KEPT})
        if isinstance(made, BackendUnavailable):
            made.certain = getattr(error, "certain", False)
        raise made


_KEPT = {"forbidden", "vault_code", "status"}


@dataclass
class Bench:
    clock: VirtualClock
    vault: MoodyVault
    primary: Primary

    @classmethod
    def make(cls) -> "Bench":
        clock = VirtualClock(auto=True)
        vault = MoodyVault(clock)
        for name in (*GOOD, *ODD):
            vault.model.set(name, "v", Attributes())
        primary = Primary(
            vault,
            clock,
            patience_s=0.001,
            attempt_timeout_s=0.001,
            write_timeout_s=0.001,
            retry_policy=RetryPolicy(retries=1),
        )
        return cls(clock, vault, primary)

    async def do(self, what: str, name: SecretName) -> BackendUnavailable | None:
        """Do one thing; return how the backend failed."""
        try:
            await self._operations[what](name)
        except BackendUnavailable as error:
            return error
        except HoldfastError:
            pass
        return None

    @property
    def _operations(self) -> dict[str, Callable[[SecretName], Awaitable[object]]]:
        async def versions(name: SecretName) -> None:
            _ = [entry async for entry in self.primary.versions(name)]

        def put(vault: Vault, name: SecretName) -> Awaitable[object]:
            return vault.set(name, SecretValue("n"), Attributes(), MARKER)

        return {
            "read": self.primary.read_once,
            "read with patience": self.primary.read_patiently,
            "look": lambda name: self.primary.read(name, lambda vault: vault.get(name)),
            "versions": versions,
            "write": lambda name: self.primary.write(name, lambda vault: put(vault, name)),
        }

    async def decided(self) -> None:
        for line in self.primary._lines:
            if (asking := line.confirmation._asking) is not None:
                await asking


WHAT = st.sampled_from(["read", "read with patience", "look", "versions", "write"])
STEPS = st.lists(
    st.tuples(WHAT, st.sampled_from(ODD + GOOD), st.sampled_from([0.0, 0.5, 3.0, 70.0]), st.booleans()), max_size=40
)
MOODS = st.dictionaries(st.sampled_from(ODD), st.sampled_from(sorted(ODDITIES)))


def mixed(moods: dict[SecretName, str]) -> dict[SecretName, HoldfastError | None]:
    return {name: ODDITIES[mood] for name, mood in moods.items()}


@settings(max_examples=400)
@given(MOODS, STEPS, st.booleans())
@example({}, [("versions", GOOD[1], 70.0, False), ("versions", GOOD[0], 0.0, False)], True)
def test_whatever_single_names_do_no_breaker_opens_and_no_other_name_is_refused(
    moods: dict[SecretName, str], steps: list[tuple[str, SecretName, float, bool]], get_only: bool
) -> None:
    asyncio.run(_odd_names(mixed(moods), steps, get_only=get_only))


async def _odd_names(
    odd: dict[SecretName, HoldfastError | None], steps: list[tuple[str, SecretName, float, bool]], *, get_only: bool
) -> None:
    bench = Bench.make()
    for name in GOOD[:2]:
        assert await bench.do("read", name) is None
        assert await bench.do("write", name) is None
    bench.vault.odd, bench.vault.get_only = odd, get_only
    for what, name, pause_s, waits in steps:
        failed = await bench.do(what, name)
        assert failed is None or isinstance(failed, NameUnavailable), (what, name)
        if waits:
            await bench.decided()
        assert set(bench.primary.breakers.values()) == {"closed"}
        assert (await bench.primary.read_once(GOOD[0])).value is not None
        bench.clock.move(pause_s)
    await bench.decided()
    await bench.primary.aclose()


@settings(max_examples=300)
@given(MOODS, STEPS, st.sampled_from(sorted(AWAY)), st.booleans())
def test_a_vault_that_is_away_is_noticed_within_five_attempts_and_its_return_by_itself(
    moods: dict[SecretName, str], steps: list[tuple[str, SecretName, float, bool]], away: str, writing: bool
) -> None:
    asyncio.run(_away(mixed(moods), steps, AWAY[away], "write" if writing else "read"))


async def _away(
    odd: dict[SecretName, HoldfastError | None],
    steps: list[tuple[str, SecretName, float, bool]],
    error: HoldfastError | None,
    what: str,
) -> None:
    bench = Bench.make()
    bench.vault.odd = odd
    for done, name, pause_s, _ in steps:
        await bench.do(done, name)
        bench.clock.move(pause_s)
    await bench.decided()
    bench.vault.away = [error]
    bench.clock.move(0.1)
    failures = 0
    for name in itertools.cycle(GOOD):
        if bench.primary.breakers[what] == "open":
            break
        failures += await bench.do(what, name) is not None
        await bench.decided()
        assert failures <= 5
    calls = bench.vault.calls.total()
    assert isinstance(await bench.do(what, GOOD[0]), CircuitOpen)
    assert bench.vault.calls.total() == calls
    bench.vault.away = []
    for name in itertools.islice(itertools.cycle(GOOD), 8):
        bench.clock.move(1)
        await bench.do(what, name)
    assert bench.primary.breakers[what] == "closed"
    await bench.primary.aclose()


@pytest.mark.parametrize("background", [False, True])
async def test_i12_odd_names_among_many_cost_little_more_than_good_ones(background: bool) -> None:
    bench = Bench.make()
    names = [SecretName(f"s-{number:04}") for number in range(1000)]
    for name in names:
        bench.vault.model.set(name, "v", Attributes())
    faults = [fault for fault in ODDITIES.values() if fault is not None]
    bench.vault.odd = {name: faults[number % len(faults)] for number, name in enumerate(names[::33])}
    for name in names:
        await bench.do("look" if background else "read", name)
        await bench.decided()
    assert bench.vault.calls.total() <= 1.2 * len(names)
    assert set(bench.primary.breakers.values()) == {"closed"}


async def test_i12_an_outage_of_an_hour_is_probed_some_seventy_times() -> None:
    bench = Bench.make()
    assert await bench.do("read", GOOD[0]) is None
    bench.vault.calls.clear()
    bench.vault.away = [BackendUnavailable("503")]
    for _ in range(3600):
        for name in GOOD:
            await bench.do("read", name)
            await bench.decided()
        bench.clock.move(1)
    assert bench.vault.calls.total() <= 3 * 75
