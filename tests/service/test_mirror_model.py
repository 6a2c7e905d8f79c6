"""One pass over any vault, in memory: it ends, mirrors all that can be, names the rest, and blames nobody else."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.domain.attributes import Attributes
from holdfast.domain.names import SecretName
from holdfast.domain.secret import SecretSettings, State
from holdfast.errors import (
    BackendRefused,
    BackendUnavailable,
    IntegrityFailure,
    NameRefused,
    NameUnavailable,
    Rejected,
    SecretNotFound,
    TransitionPending,
)
from holdfast.ports import Head, KeptOut, OddEntry
from holdfast.resilience.retry import RetryPolicy
from holdfast.service.vault.keeping import KeptOutNames
from holdfast.service.vault.mirroring import MirrorPass, SyncReport
from holdfast.service.vault.primary import Primary
from tests.support.clock import VirtualClock
from tests.support.examples import drawn
from tests.support.memory_vault import MemoryVault

NAMES = [SecretName(f"s-{number:02}") for number in range(12)]

OF_ONE: dict[str, Callable[[], Exception]] = {
    "fails": lambda: BackendUnavailable("Key Vault answered 500"),
    "forbidden": lambda: BackendRefused("Key Vault answered 403", forbidden=True),
    "refused": lambda: NameRefused("403"),
    "odd": lambda: NameUnavailable("odd"),
    "rejected": lambda: Rejected("400"),
    "settling": lambda: TransitionPending("409"),
    "edited": lambda: IntegrityFailure("edited"),
    "unforeseen": lambda: KeyError("s3cret"),
    "unstorable": lambda: UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"),
    "nested": RecursionError,
}
SHOWN = st.one_of(st.sampled_from([*NAMES, ""]), st.text(max_size=130))
FAULTS = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(sorted(OF_ONE)))
ODD_ENTRIES = st.lists(SHOWN, max_size=3)


class MemoryKeptOut:
    """Implements ``ports.KeptOutStore``."""

    def __init__(self) -> None:
        self.stored: dict[str, KeptOut] = {}

    async def put(self, kept: KeptOut) -> None:
        self.stored[kept.name] = kept

    async def forget(self, names: Collection[str]) -> None:
        for name in names:
            self.stored.pop(name, None)

    async def names(self, *, limit: int) -> Sequence[KeptOut]:
        return sorted(self.stored.values(), key=lambda kept: kept.name)[:limit]

    async def count(self) -> int:
        return len(self.stored)


@dataclass
class Mirrored:
    """The parts of a ledger and an adopter that a pass needs: heads, and values that were seen."""

    primary: Primary
    clock: VirtualClock
    heads_by_name: dict[SecretName, Head] = field(default_factory=dict)
    values: dict[SecretName, str] = field(default_factory=dict)

    async def heads(self, names: Sequence[SecretName]) -> Mapping[SecretName, Head]:
        return {name: self.heads_by_name[name] for name in names if name in self.heads_by_name}

    async def confirm(self, heads: Sequence[Head]) -> None:
        """Nothing depends on it here."""

    async def unconfirmed(self, _: datetime, *, after: SecretName | None = None, limit: int) -> list[SecretName]:
        return sorted(name for name in self.heads_by_name if name > (after or ""))[:limit]

    async def refresh(self, name: SecretName) -> Head | None:
        try:
            seen = await self.primary.read(name, lambda vault: vault.get(name), background=True)
        except SecretNotFound:
            return self.heads_by_name.get(name)
        assert seen.value is not None
        self.values[name] = seen.value.reveal()
        head = Head(
            incarnation=uuid4(),
            name=name,
            display_name=seen.name,
            state=State.ACTIVE,
            revision=1,
            version=1,
            version_id=seen.vault_version_id,
            settings=SecretSettings(),
            attestation="",
            verified_at=self.clock.now(),
            vault_updated_at=seen.updated_at,
        )
        self.heads_by_name[name] = head
        return head


class Bench:
    def __init__(self) -> None:
        self.clock = VirtualClock(auto=True)
        self.vault = MemoryVault(self.clock)
        self.primary = Primary(self.vault, self.clock, retry_policy=RetryPolicy(retries=0))
        self.mirrored, self.kept_out = Mirrored(self.primary, self.clock), MemoryKeptOut()
        for name in NAMES:
            self.vault.model.set(name, f"value of {name}", Attributes())
        self.clock.move(60)

    async def sync(self) -> SyncReport:
        async def keep_lead() -> None:
            """Nobody else is there."""

        parts: Any = self.mirrored
        names = KeptOutNames(self.kept_out, self.clock.now(), timedelta(minutes=5), all_due=True)
        one_pass = MirrorPass(
            ledger=parts,
            primary=self.primary,
            adopter=parts,
            clock=self.clock,
            concurrency=4,
            kept_out=names,
            keep_lead=keep_lead,
        )
        return await one_pass.run(self.clock.now())


async def check(faults: Mapping[SecretName, str], shown: Sequence[str]) -> None:
    bench = Bench()
    bench.vault.failing.update({name: OF_ONE[kind]() for name, kind in faults.items()})
    for name, text in zip(NAMES, shown, strict=False):
        bench.vault.odd_entries[name] = OddEntry(name=text, reason="drawn")
    hidden = {name for name, text in zip(NAMES, shown, strict=False) if text.lower() != name}
    report = await bench.sync()
    well = set(NAMES) - faults.keys() - hidden
    assert {name: bench.mirrored.values.get(name) for name in well} == {name: f"value of {name}" for name in well}
    named = set(bench.kept_out.stored)
    assert named >= faults.keys() - hidden
    assert not named & well, "nothing is filed under a name that is well"
    assert report.failed == len(named)
    assert report.incomplete is None
    assert set(bench.primary.breakers.values()) == {"closed"}
    bench.vault.failing.clear()
    bench.vault.odd_entries.clear()
    bench.clock.move(60)
    assert (await bench.sync()).failed == 0
    assert not bench.kept_out.stored
    assert bench.mirrored.values == {name: f"value of {name}" for name in NAMES}


@given(FAULTS, ODD_ENTRIES)
@settings(max_examples=drawn(1_000), deadline=None)
def test_i11_any_pass_ends_mirrors_what_can_be_and_names_the_rest(
    faults: dict[SecretName, str], shown: list[str]
) -> None:
    asyncio.run(check(faults, shown))
