"""I6, I3: a model of the channel in the hands of an enemy. Announcements are forged, repeated, reordered, lost and sent
in floods, and the channel is cut; no revocation is late, no lease is lost, no value is believed that is none any more.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from holdfast.domain.audit import record_of
from holdfast.domain.names import SecretName
from holdfast.domain.policy import SYSTEM, Caller, Permission
from holdfast.errors import BackendUnavailable
from holdfast.resilience.outages import Outages
from holdfast.service.access.grants import GrantBook
from holdfast.stores.postgres.feed import GAP_S, PostgresFeed
from holdfast.stores.postgres.hints import MAX_NAMES
from holdfast.stores.postgres.holders import Holders
from holdfast.stores.postgres.queries import load
from tests.support.rules import BOOK_LEASES, SEALER, START, RulesInMemory
from tests.support.rules import rule as a_rule
from tests.support.virtual_time import VirtualTimeLoop

T = TypeVar("T")
PEOPLE = "alice", "bob"
SECRETS = SecretName("a"), SecretName("b")
IN_TIME_S = 1.0


class World:
    """The database, and the channel, which delivers what the enemy lets through. ``asked``: questions so far."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        self.loop, self.rules = loop, RulesInMemory()
        self.identities = 0
        self.revisions: dict[SecretName, int] = dict.fromkeys(SECRETS, 1)
        self.receivers: list[Callable[..., None]] = []
        self.channel_is_cut = self.lost = False
        self.asked = 0
        self.holders = Holders(lambda: self.connection(None))

    def announce(self, payload: str) -> None:
        for receive in self.receivers:
            receive(None, 1, "holdfast", payload)

    # --- as ``Database`` and its connections have it ---

    pooled = False
    outages = Outages()

    def get_server_pid(self) -> int:
        return 1

    @asynccontextmanager
    async def connection(self, _lane: object, *, probing: bool = False) -> AsyncIterator["World"]:
        yield self

    async def renew(self) -> None: ...

    async def fetchval(self, _sql: str) -> int:
        return 1

    async def fetchrow(self, sql: str, *, timeout: float) -> dict[str, Any]:
        self.asked += 1
        await asyncio.sleep(0.01)
        now = START + timedelta(seconds=self.loop.time())
        if sql != load("feed")["beat"]:
            return {"now": now, "newest": None}
        newest = max(self.revisions.values())
        numbers = {"rules": self.rules.epoch, "identities": self.identities, "revision": newest, "accepted": 0}
        return {"now": now, "timeline": "1", "sealing": None, "activation": None, **numbers}

    async def fetch(self, _sql: str, names: list[SecretName], *, timeout: float) -> list[dict[str, Any]]:
        self.asked += 1
        await asyncio.sleep(0.01)
        if self.channel_is_cut or self.lost:
            raise BackendUnavailable("the channel is cut")
        return [{"name": name, "revision": self.revisions.get(name), "last_revision": 9} for name in names]

    async def add_listener(self, _channel: str, receive: Callable[..., None]) -> None:
        self.receivers, self.lost = [receive], False

    async def remove_listener(self, _channel: str, _receive: Callable[..., None]) -> None:
        self.receivers = []

    def is_closed(self) -> bool:
        return False


class Node:
    """What a node knows. ``trusted``: the secrets of which it would answer what it remembers."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.feed = PostgresFeed(world, SEALER, elapsed=world.loop.time, machine=self.now)  # type: ignore[arg-type]
        self.book = GrantBook(world.rules, SEALER, self.feed, self.feed.clock, BOOK_LEASES)
        self.identities = 0
        self.known: dict[SecretName, int] = {}

    def now(self) -> datetime:
        return START + timedelta(seconds=self._world.loop.time())

    async def resynchronise(self) -> None:
        self.known = {}
        await self.book.load()

    def secrets_missed(self) -> None:
        self.known = {}

    async def secret_changed(self, name: SecretName, revision: int) -> None:
        self.known[name] = revision

    async def secret_absent(self, name: SecretName, revision: int) -> None:
        self.known.pop(name, None)

    async def timeline_reached(self, timeline: str, revision: int) -> None: ...

    async def rules_reached(self, epoch: int) -> None:
        await self.book.reached(epoch)

    async def identities_reached(self, epoch: int) -> None:
        self.identities = epoch

    async def key_activated(self, activation: int, key_id: str) -> None: ...

    def allows(self, who: str) -> bool:
        return self.book.rule(Caller(who), Permission.GET, "a") is not None


class Channel(RuleBasedStateMachine):
    """One node, and another one that changes things; between them the enemy."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualTimeLoop()
        self.world = World(self.loop)
        self.held_back: list[str] = []
        self.over: dict[str, float] = {}
        self.signed_out: dict[int, float] = {}
        self.written: dict[SecretName, float] = {}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        asyncio.set_event_loop(self.loop)
        return self.loop.run_until_complete(work)

    @initialize()
    def start(self) -> None:
        async def started() -> Node:
            node = Node(self.world)
            await node.feed.start(node)
            return node

        for who in PEOPLE:
            self.grant(who, heard=False)
        self.held_back = []
        self.node = self.run(started())
        for name in SECRETS:
            self.write(name)
        self.run(asyncio.sleep(2.0))
        assert all(map(self.node.allows, PEOPLE))
        assert self.node.known.keys() == set(SECRETS)

    # --- what others change, and whether it is announced ---

    @rule(who=st.sampled_from(PEOPLE), heard=st.booleans())
    def grant(self, who: str, heard: bool) -> None:
        made = a_rule(who, {Permission.GET}, "a")
        self.run(self.world.rules.put(made, lambda _: record_of(SYSTEM, "grant", "a", START)))
        self.over.pop(who, None)
        self.tell(f"rules:{self.world.rules.epoch}:{who}", heard)

    @rule(who=st.sampled_from(PEOPLE), heard=st.booleans())
    def revoke(self, who: str, heard: bool) -> None:
        gone = a_rule(who, {Permission.GET}, "a")
        self.run(self.world.rules.remove(gone, record_of(SYSTEM, "revoke", "a", START)))
        self.over.setdefault(who, self.loop.time())
        self.tell(f"rules:{self.world.rules.epoch}:{who}", heard)

    @rule(heard=st.booleans())
    def sign_out(self, heard: bool) -> None:
        self.world.identities += 1
        self.signed_out[self.world.identities] = self.loop.time()
        self.tell(f"identities:{self.world.identities}:app", heard)

    @rule(name=st.sampled_from(SECRETS))
    def write(self, name: SecretName) -> None:
        """Secrets are announced by the transaction that changes them: not delivered is a connection that is lost."""
        revision = self.world.revisions[name] = max(self.world.revisions.values()) + 1
        self.written[name] = self.loop.time()
        if self.world.channel_is_cut:
            self.world.lost = True
        else:
            self.world.announce(f"secret:{name}:{revision}")

    def tell(self, payload: str, heard: bool) -> None:
        if heard:
            self.world.announce(payload)
        else:
            self.held_back.append(payload)

    # --- what the enemy does ---

    @rule(
        kind=st.sampled_from(["rules", "identities", "key", "secret", "nonsense"]),
        ahead=st.sampled_from([-1, 0, 1, 2, 2**40, 2**63]),
        about=st.sampled_from(["", ":alice", ":bob", ":x", ":" + "y" * 7000]),
        times=st.sampled_from([1, 3, 50]),
    )
    def forge(self, kind: str, ahead: int, about: str, times: int) -> None:
        number = {"rules": self.world.rules.epoch, "identities": self.world.identities}.get(kind, 1) + ahead
        payload = f"secret:a:{number}" if kind == "secret" else f"{kind}:{number}{about}"
        for _ in range(times):
            self.world.announce(payload)

    @rule(number=st.sampled_from([10, MAX_NAMES, 3 * MAX_NAMES]), kind=st.sampled_from(["secret:k", "rules:9"]))
    def flood(self, number: int, kind: str) -> None:
        for each in range(number):
            self.world.announce(f"{kind}{each}:7")

    @rule(shuffled=st.randoms(use_true_random=False))
    def let_go(self, shuffled: Any) -> None:
        shuffled.shuffle(self.held_back)
        for payload in [*self.held_back, *self.held_back]:
            self.world.announce(payload)
        self.held_back = []

    @rule(cut=st.booleans(), written=st.sampled_from([(), *((name,) for name in SECRETS)]))
    def cut(self, cut: bool, written: tuple[SecretName, ...]) -> None:
        """The channel is cut, and something may be written meanwhile; or it is there again."""
        self.world.channel_is_cut = cut
        for name in written:
            self.write(name)

    @rule(seconds=st.sampled_from([0.01, 0.1, 0.4, 1.2, 1.2, 3.0]), flooded=st.booleans())
    def wait(self, seconds: float, flooded: bool) -> None:
        """Time passes, in steps, with a flood that goes on or without; the node is looked at after each."""
        before, asked, steps = self.loop.time(), self.world.asked, round(seconds / 0.01)
        for step in range(steps):
            if flooded:
                self.world.announce(f"rules:{10**6 + step}:x")
                self.world.announce(f"secret:n{step}:7")
            self.run(asyncio.sleep(0.01))
            self.judge()
        passed = self.loop.time() - before
        assert self.world.asked - asked <= 2 * (passed / GAP_S + 2), "no one makes a node ask more often"

    def judge(self) -> None:
        now = self.loop.time()
        late = {who for who, since in self.over.items() if now - since > IN_TIME_S and self.node.allows(who)}
        assert not late, f"revoked, and let in: {late}"
        known = max((each for each, since in self.signed_out.items() if now - since > IN_TIME_S), default=0)
        assert self.node.identities >= known, "a token that was revoked is good"
        assert self.node.feed.seconds_since_contact() < IN_TIME_S, "the lease is renewed all the time"
        if self.node.feed.live():
            for name, since in self.written.items():
                revision = self.node.known.get(name, self.world.revisions[name])
                assert now - since <= IN_TIME_S or revision == self.world.revisions[name], f"{name} is an older one"

    def teardown(self) -> None:
        try:
            if hasattr(self, "node"):
                self.world.channel_is_cut = False
                self.wait(3.0, flooded=False)
                assert self.node.feed.live()
                self.run(self.node.feed.stop())
        finally:
            asyncio.set_event_loop(None)
            self.loop.close()


TestChannel = Channel.TestCase
TestChannel.settings = settings(max_examples=120, stateful_step_count=20, deadline=None)
