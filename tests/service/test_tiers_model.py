"""I3, I5: in any order of writes, outages, late news and reads no node goes back, and what is unconfirmed says so."""

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from holdfast.domain.secret import Secret, Source, State
from holdfast.errors import HoldfastError, SecretNotFound
from holdfast.service.secrets.mirror import Mirrored
from tests.support.clock import VirtualClock
from tests.support.examples import drawn
from tests.support.tiers import LEASE, NEWS_S, TTL, Node, OldRedis, Store, VaultTwin

T = TypeVar("T")
NODES = st.integers(0, 1)


class TiersModel(RuleBasedStateMachine):
    """One secret on two nodes.

    ``revisions``: the revision at which each version was written. ``commits``: revisions with when and where they were
    acknowledged. Of each node: ``answered``, the highest revision it has answered; ``carries``, the revision it wrote
    last and must be able to answer.
    """

    runner: ClassVar[asyncio.Runner]

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock()
        self.store = Store(self.clock)
        self.vault, self.redis = VaultTwin(self.store), OldRedis()
        self.nodes = [Node(self.store, self.vault, self.redis) for _ in range(2)]
        self.revisions: dict[int, int] = {}
        self.commits: list[tuple[int, float, int]] = []
        self.answered, self.carries = [0, 0], [0, 0]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @initialize()
    def begin(self) -> None:
        for node in self.nodes:
            self.run(node.mend())

    # --- what happens

    @precondition(lambda self: any(node.link.up for node in self.nodes))
    @rule(at=NODES, replicated=st.booleans())
    def write(self, at: int, replicated: bool) -> None:
        made = self.store.write(f"v{len(self.revisions) + 1}")
        self.revisions[made[0].version] = made[0].revision
        self._committed(at, made, replicated)

    @precondition(lambda self: any(node.link.up for node in self.nodes) and self._lives())
    @rule(at=NODES, replicated=st.booleans())
    def delete(self, at: int, replicated: bool) -> None:
        self._committed(at, self.store.delete(), replicated)

    @rule()
    def push(self) -> None:
        if not self.vault.away:
            self.store.push()

    @rule(at=NODES)
    def news(self, at: int) -> None:
        self.run(self.nodes[at].deliver())

    @rule(at=NODES)
    def look(self, at: int) -> None:
        self.nodes[at].look()

    @rule(at=NODES)
    def cut(self, at: int) -> None:
        link = self.nodes[at].link
        if link.up:
            link.seconds_since_contact()
            link.up = False

    @rule(at=NODES)
    def mend(self, at: int) -> None:
        if not self.nodes[at].link.up:
            self.run(self.nodes[at].mend())

    @rule(away=st.booleans())
    def vault_is(self, away: bool) -> None:
        self.vault.away = away

    @rule(serves=st.none() | st.integers(0, 30))
    def redis_serves(self, serves: int | None) -> None:
        self.redis.serves = serves

    @rule(seconds=st.sampled_from([0.1, 0.6, 1.1, 2.5, 6.0]))
    def wait(self, seconds: float) -> None:
        self.clock.move(seconds)

    @rule(at=NODES)
    def evict(self, at: int) -> None:
        self.run(self.nodes[at].local.clear())
        self.carries[at] = 0

    # --- what must be true

    @rule(at=NODES)
    def read(self, at: int) -> None:
        node = self.nodes[at]
        try:
            secret = self.run(node.read())
        except SecretNotFound:
            self._refused(at)
        except HoldfastError:
            assert not node.link.up or self.store.now is None, "a node that reaches PostgreSQL answers"
            assert not self._must_carry(at), "what was just written is lost to nobody"
        else:
            self._answered(at, secret)

    def _answered(self, at: int, secret: Secret) -> None:
        revision, link = self.revisions[secret.version], self.nodes[at].link
        assert secret.value == f"v{secret.version}"
        assert revision >= self.answered[at], "a node never answers older than it has answered"
        assert revision >= self._acknowledged(at), "nor older than was acknowledged"
        self.answered[at] = revision
        assert secret.as_of <= self._ended(revision), "it was not current any more"
        assert secret.stale or self.clock.now() - secret.as_of <= TTL, "nobody could confirm it within the TTL"
        assert secret.stale or link.up or secret.source is not Source.KEYVAULT, "Key Vault alone confirms nothing"

    def _ended(self, revision: int) -> datetime:
        """When the next state followed; now, if none did."""
        later = [moment for number, moment, _ in self.commits if number > revision]
        return self.clock.now() - timedelta(seconds=self.clock.monotonic() - min(later, default=self.clock.monotonic()))

    def _refused(self, at: int) -> None:
        if self.nodes[at].link.up:
            assert self.store.now is None or self.store.now[0].state is State.DELETED
            self.answered[at] = self.store.reached

    def _acknowledged(self, at: int) -> int:
        """The lowest revision that this node may answer: its own commits at once, others' a second later."""
        if not self.nodes[at].link.up:
            return max((revision for revision, _, by in self.commits if by == at), default=0)
        now = self.clock.monotonic()
        seen = (revision for revision, moment, by in self.commits if by == at or now - moment >= NEWS_S)
        return max(seen, default=0)

    def _must_carry(self, at: int) -> bool:
        """Whether this node wrote the newest that it can know of, and has it in its memory."""
        last = self.commits[-1] if self.commits else (0, 0.0, at)
        return (
            self._lives() and self.carries[at] == last[0] and self.clock.monotonic() - last[1] < LEASE.total_seconds()
        )

    def _lives(self) -> bool:
        return self.store.now is not None and self.store.now[0].state is State.ACTIVE

    def _committed(self, at: int, made: Mirrored, replicated: bool) -> None:
        if not self.nodes[at].link.up:
            at = 1 - at
        for node in self.nodes:
            if node.link.up:
                node.link.news.append((self.clock.monotonic(), made[0].revision))
        self.run(self.nodes[at].committed(made))
        if replicated and not self.vault.away:
            self.store.push()
            self.nodes[at].coherence.unsettled.settled(made[0].name, made[0].revision)
        self.commits.append((made[0].revision, self.clock.monotonic(), at))
        self.carries[at] = made[0].revision


def test_i3_i5_no_node_goes_back_and_stale_is_said() -> None:
    with asyncio.Runner() as TiersModel.runner:
        run_state_machine_as_test(
            TiersModel,
            settings=settings(
                max_examples=drawn(400), stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )
