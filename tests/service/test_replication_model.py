"""Any sequence of writes, outages, refusals, lost and late answers, foreign edits and crashes ends with equal sides."""

import asyncio
import enum
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from msgspec.structs import replace

from holdfast.domain.intent import Marker
from holdfast.domain.secret import State
from holdfast.errors import BackendUnavailable, Rejected, SecretDeleted, TransitionPending, VaultRefusal
from holdfast.service.crashpoints import CRASH_POINTS, PROPOSAL_CRASH_POINTS
from holdfast.service.vault.sighting import own_attributes
from holdfast.stores.postgres.database import Database
from tests.support.clock import VirtualClock
from tests.support.examples import drawn
from tests.support.memory_vault import MemoryVault
from tests.support.vault_model import Phase
from tests.support.world import SECRET, Crash, World

T = TypeVar("T")

Applied = Literal["no", "once", "twice", "late"]
MARKED = ("set", "update")
"""Changes that carry a marker, so that their lateness can be told from somebody else's change."""


class Ended(enum.Enum):
    """How a write ended for whoever made it."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class ReplicationModel(RuleBasedStateMachine):
    """One secret, two nodes, one vault, and what must be true of them.

    ``acknowledged``: the values that this life of the secret was given here, in order. ``possible``: those among them
    whose writer was never told how it ended. ``refused``: those that Key Vault refused while it was asked.
    """

    dsn: ClassVar[str]
    runner: ClassVar[asyncio.Runner]

    def __init__(self) -> None:
        super().__init__()
        self.acknowledged: list[str] = []
        self.possible: set[str] = set()
        self.refused: set[str] = set()
        self.foreign_written = False
        self.duplicated = False
        self.number = 0
        self.run(self._begin())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def _begin(self) -> None:
        self.database = Database(self.dsn, max_connections=3)
        await self.database.open()
        async with self.database.connection() as connection:
            await connection.execute("DELETE FROM secret_intents; DELETE FROM secrets_vault")
        clock = VirtualClock(auto=True, start=datetime.now(UTC))
        vault = MemoryVault(clock)
        vault.model.settle_s = 5.0
        self.world, self.other = (World(self.database, vault, clock) for _ in range(2))

    # --- what the application does

    @precondition(lambda self: self.state() is not State.DELETED)
    @rule()
    def set(self) -> None:
        value = self.value("ours")
        ended = self.write(lambda: self.world.set(value))
        if ended is Ended.REFUSED:
            self.refused.add(value)
            return
        self.acknowledged.append(value)
        if ended is Ended.UNKNOWN:
            self.possible.add(value)

    @precondition(lambda self: self.state() is State.ACTIVE)
    @rule(enabled=st.booleans(), stage=st.sampled_from("abc"))
    def update(self, enabled: bool, stage: str) -> None:
        self.write(lambda: self.world.update(enabled=enabled, tags={"stage": stage}))

    @precondition(lambda self: self.state() is State.ACTIVE)
    @rule()
    def delete(self) -> None:
        self.write(self.world.delete)

    @precondition(lambda self: self.state() is State.DELETED)
    @rule()
    def recover(self) -> None:
        self.write(self.world.recover)

    @precondition(lambda self: self.state() is State.DELETED)
    @rule()
    def purge(self) -> None:
        ended = self.write(self.world.purge)
        if ended is Ended.DONE:
            self.acknowledged = []
        elif ended is Ended.UNKNOWN:
            self.possible.update(self.acknowledged)

    # --- what happens to it

    @rule()
    def go_to_the_other_node(self) -> None:
        self.world, self.other = self.other, self.world

    @rule(operation=st.sampled_from(("set", "update", "delete", "recover", "purge")))
    def refuse(self, operation: str) -> None:
        self.world.vault.fail(
            operation, VaultRefusal("A policy refuses it.", status=403, vault_code="ForbiddenByPolicy")
        )

    @invariant()
    def nothing_refused_is_seen(self) -> None:
        assert not self.refused.intersection(self.run(self._values()))

    @rule(down=st.booleans())
    def outage(self, down: bool) -> None:
        self.world.vault.down = down
        self.world.clock.move(61)

    @rule(operation=st.sampled_from(MARKED), applied=st.sampled_from(("no", "once", "twice", "late")))
    def lose_an_answer(self, operation: str, applied: Applied) -> None:
        self.duplicated |= applied != "no"
        self.world.vault.fail(operation, applied=applied)

    @rule(operation=st.sampled_from(("delete", "recover", "purge")), applied=st.sampled_from(("no", "once")))
    def lose_the_answer_to_a_transition(self, operation: str, applied: Applied) -> None:
        self.world.vault.fail(operation, applied=applied)

    @rule()
    def arrive_late(self) -> None:
        self.world.vault.apply_late()
        self.world.clock.move(1)

    @precondition(lambda self: self.phase() in (Phase.ACTIVE, None))
    @rule()
    def foreign_set(self) -> None:
        self.foreign_written = True
        self.world.foreign_set(self.value("theirs"))

    @precondition(lambda self: self.phase() is Phase.ACTIVE)
    @rule(enabled=st.booleans(), content_type=st.sampled_from(("x", "y", None)))
    def foreign_edit(self, enabled: bool, content_type: str | None) -> None:
        self.foreign_written = True
        self.world.clock.move(1)
        self.world.vault.model.update(
            SECRET, None, lambda attributes: replace(attributes, enabled=enabled, content_type=content_type)
        )
        self.world.clock.move(1)

    @rule()
    def replay(self) -> None:
        self.unless_it_dies(self.world.replay)

    @rule()
    def sync(self) -> None:
        self.unless_it_dies(self.world.synced)

    @rule(point=st.sampled_from(sorted({*CRASH_POINTS, *PROPOSAL_CRASH_POINTS})))
    def crash_soon(self, point: str) -> None:
        self.world.crash.point = point

    # --- what must be true

    def teardown(self) -> None:
        try:
            self.run(self._come_to_rest())
            self.run(self._check())
        finally:
            self.run(self.database.close())

    async def _come_to_rest(self) -> None:
        """Everything that can still arrive arrives; then nothing is left to do."""
        world, self.discarded = self.world, 0
        world.crash.point = self.other.crash.point = None
        await world.kill()
        await world.settle()
        world.vault.apply_late()
        for _ in range(6):
            world.clock.move(120)
            await world.synced()
            await world.settle()
            if await world.journal.parked():
                self.discarded += (await world.reconciler.reconcile(discard=SECRET)).discarded
        assert (await world.journal.status()).open == 0, await world.pending()
        await self._check_state()
        if self.phase() is Phase.DELETED:  # what was edited there shortly before the deletion can be seen again
            await world.recover()
            await world.settle()
            await world.synced()
            await world.settle()

    async def _check_state(self) -> None:
        head = await self.world.ledger.head(SECRET)
        expected = {None: None, State.ACTIVE: Phase.ACTIVE, State.DELETED: Phase.DELETED}[head.state if head else None]
        assert self.phase() is expected

    async def _check(self) -> None:
        await self._check_state()
        head = await self.world.ledger.head(SECRET)
        if head is None:
            return
        mine, theirs = await self.world.ledger.versions(SECRET), self.world.vault.model.history(SECRET)
        by_id = {version.id: version for version in theirs}
        replicated = [version for version in mine if version.vault_version_id]
        for version in replicated:
            twin = by_id[version.vault_version_id or ""]
            assert own_attributes(twin.attributes) == version.attributes
            if version.attributes.enabled:
                assert twin.value == await self.world.value(SECRET, version.version)
        assert head.vault_version_id == theirs[-1].id
        known = {version.vault_version_id for version in mine}
        strangers = [version for version in theirs if version.id not in known]
        assert all(Marker.of_tags(version.attributes.tags) for version in strangers)
        assert self.duplicated or self.discarded or not strangers
        if not self.foreign_written and not self.duplicated:
            assert [version.vault_version_id for version in mine] == [version.id for version in theirs]
        if not self.discarded:
            await self._check_nothing_was_lost([version.value for version in theirs])

    async def _check_nothing_was_lost(self, in_vault: list[str]) -> None:
        here = [value for value in await self._values() if value in self.acknowledged]
        told = [value for value in self.acknowledged if value not in self.possible or value in here]
        assert list(dict.fromkeys(here)) == told
        assert set(told) <= set(in_vault)
        if not self.foreign_written and told:
            assert in_vault[-1] == here[-1] == told[-1]
            assert not {value for value in in_vault if in_vault.count(value) > 1} or self.duplicated

    async def _values(self) -> list[str]:
        stored = [await self.world.ledger.version(SECRET, v.version) for v in await self.world.ledger.versions(SECRET)]
        pairs = [(head, version) for head, version in filter(None, stored) if version and version.sealed]
        return [self.world.mirror.value(head, version).reveal() for head, version in pairs]

    # --- helpers

    def value(self, whose: str) -> str:
        self.number += 1
        return f"{whose}-{self.number}"

    def state(self) -> State | None:
        head = self.run(self.world.ledger.head(SECRET))
        return head.state if head else None

    def phase(self) -> Phase | None:
        return self.world.vault.model.phase(SECRET)

    def write(self, work: Callable[[], Awaitable[object]]) -> Ended:
        self.world.clock.move(1)
        return self.unless_it_dies(work)

    def unless_it_dies(self, work: Callable[[], Awaitable[object]]) -> Ended:
        async def live() -> Ended:
            try:
                await work()
            except Crash:
                await self.world.kill()
                return Ended.UNKNOWN
            except BackendUnavailable:
                return Ended.UNKNOWN
            except (Rejected, SecretDeleted, TransitionPending):
                return Ended.REFUSED
            return Ended.DONE

        return self.run(live())


@pytest.fixture
def model(database_url: str) -> type[ReplicationModel]:
    class OnThisDatabase(ReplicationModel):
        dsn = database_url

    return OnThisDatabase


def test_i2_i4_any_history_ends_with_both_sides_equal(model: type[ReplicationModel]) -> None:
    with asyncio.Runner() as model.runner:
        run_state_machine_as_test(
            model,
            settings=settings(
                max_examples=drawn(30),
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                print_blob=True,
            ),
        )
