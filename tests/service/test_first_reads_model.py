"""First reads that race with one another, with the mirroring and with writes, on two nodes: numbers and order hold."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from holdfast.domain.secret import Attributes
from holdfast.errors import BackendUnavailable, TransitionPending
from holdfast.stores.postgres.database import Database
from tests.support.clock import VirtualClock
from tests.support.examples import drawn
from tests.support.memory_vault import MemoryVault
from tests.support.world import SECRET, World

T = TypeVar("T")

Deed = Literal["glance", "refresh", "sync", "set", "settle"]
DEEDS: tuple[Deed, ...] = ("glance", "refresh", "sync", "set", "settle")


class FirstReadsModel(RuleBasedStateMachine):
    """One secret, two nodes on one database, one vault.

    ``told``: the number that was ever told of an id of Key Vault's. ``newest``: how far the answers have come, as the
    place in Key Vault's history of what was current.
    """

    dsn: ClassVar[str]
    runner: ClassVar[asyncio.Runner]

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[str, int] = {}
        self.newest = -1
        self.number = 0
        self.written = False
        self.run(self._begin())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def _begin(self) -> None:
        self.database = Database(self.dsn, max_connections=6)
        await self.database.open()
        async with self.database.connection() as connection:
            await connection.execute("DELETE FROM secret_intents; DELETE FROM secrets_vault")
        clock = VirtualClock(auto=True, start=datetime.now(UTC))
        vault = MemoryVault(clock)
        self.nodes = [World(self.database, vault, clock) for _ in range(2)]
        self.vault, self.clock = vault, clock

    # --- what happens

    @rule(count=st.integers(1, 4))
    def made_there(self, count: int) -> None:
        for _ in range(count):
            self.number += 1
            self.clock.move(1)
            self.vault.model.set(SECRET, f"theirs {self.number}", Attributes())

    @rule(listing=st.booleans())
    def lists_nothing(self, listing: bool) -> None:
        self.vault.heal()
        if not listing:
            self.vault.fail("versions", times=3)

    @rule(deeds=st.lists(st.tuples(st.integers(0, 1), st.sampled_from(DEEDS)), min_size=1, max_size=5))
    def at_once(self, deeds: list[tuple[int, Deed]]) -> None:
        self.clock.move(61)
        self.run(self._at_once(deeds))
        self.run(self._look())

    async def _at_once(self, deeds: list[tuple[int, Deed]]) -> None:
        done = await asyncio.gather(*(self._do(self.nodes[node], deed) for node, deed in deeds), return_exceptions=True)
        for outcome in done:
            if isinstance(outcome, BaseException) and not isinstance(outcome, BackendUnavailable | TransitionPending):
                raise outcome

    async def _do(self, node: World, deed: Deed) -> None:
        if deed == "glance":
            if self.vault.model.history(SECRET):
                await node.adopter.glance(SECRET, await node.primary.read_once(SECRET))
        elif deed == "refresh":
            await node.adopter.refresh(SECRET)
        elif deed == "sync":
            await node.synced()
        elif deed == "settle":
            await node.replay()
        else:
            self.number += 1
            self.written = True
            await node.set(f"ours {self.number}")

    # --- what must hold

    async def _look(self) -> None:
        """What callers see now: numbers stay with their versions, and what is current never goes back."""
        order = [version.id for version in self.vault.model.history(SECRET)]
        versions = await self.nodes[0].ledger.versions(SECRET)
        for version in (each.told() for each in versions):
            if version.version and version.vault_version_id in order:
                known = self.told.setdefault(version.version_id, version.version)
                assert self.written or known == version.version
        if versions and versions[-1].vault_version_id in order and not self.written:
            place = order.index(versions[-1].vault_version_id)
            assert place >= self.newest
            self.newest = place

    @invariant()
    def numbers_are_dense_and_by_creation(self) -> None:
        versions = self.run(self.nodes[0].ledger.versions(SECRET))
        assert [version.version for version in versions] == list(range(1, len(versions) + 1))
        there = [each.created_at for each in versions if each.created_by == "key-vault" and not self.written]
        assert there == sorted(there)

    def teardown(self) -> None:
        self.run(self._end())

    async def _end(self) -> None:
        self.vault.heal()
        try:
            await self.nodes[0].settle()
            self.clock.move(61)
            await self.nodes[0].adopter.refresh(SECRET)
            await self.nodes[0].settle()
            theirs = [version.value for version in self.vault.model.history(SECRET)]
            if theirs:
                head = await self.nodes[1].head()
                assert not head.provisional
                assert await self.nodes[1].value(SECRET, head.version) == theirs[-1]
            if not self.written:
                assert len(await self.nodes[1].ledger.versions(SECRET)) == len(theirs)
        finally:
            await self.database.close()


@pytest.mark.timeout(300)
def test_i3_first_reads_that_race_number_every_version_once_and_in_order(database_url: str) -> None:
    with asyncio.Runner() as runner:
        FirstReadsModel.dsn, FirstReadsModel.runner = database_url, runner
        checks = settings(
            max_examples=drawn(25),
            stateful_step_count=10,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        )
        run_state_machine_as_test(FirstReadsModel, settings=checks)
