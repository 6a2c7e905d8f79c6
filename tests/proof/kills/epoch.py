"""One installation, from its making to its last look: rounds of lives under load, all of which are killed.

Between two rounds nothing lives, so the leases of the dead may be let run out at once instead of being waited for.
"""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg

from holdfast import create_secrets_service
from holdfast.config import Settings
from holdfast.domain.secret import Attributes
from holdfast.embedded.postgres import EmbeddedPostgres
from holdfast.errors import BackendUnavailable
from tests.keys.support import BOTH
from tests.notify.world import KEY as NOTICE_KEY
from tests.notify.world import happened
from tests.proof.history.blows import start_again
from tests.proof.history.ending import caught_up, looked_at, waiting_in
from tests.proof.history.events import Bounds, Ending, History
from tests.proof.history.installation import ALL
from tests.proof.kills.life import FOREIGN, KEPT, LIVES, Life, Orders, begin, events_of
from tests.proof.kills.points import ANY, BACKEND, POSTMASTER, in_source
from tests.rotation.killed import Ground, check_current, check_known, prepare, settle
from tests.support.certificates import make_authority
from tests.support.node import Inside, opened, rows, settings_for, within
from tests.support.postgres import execute, fresh_database
from tests.support.processes import folder_of, postmaster_pid
from tests.support.receivers import Receiver, receiving
from tests.support.redis import running_redis
from tests.support.scripted_vault import ScriptedVault

AT_ONCE: Final = 6
"""Lives at the same time; when one ends, the next of its round begins."""

LONGEST_S: Final = 8.0
"""How long a life that works may take to the point at which it is to die; then it is killed wherever it is."""

T = TypeVar("T")

_AT_START: Final = ("delivery", "housekeeping", "replication.orphaned", "driver", "keys", "rewrapping")
"""Passed when a node starts, and seldom."""

_NOTICES: Final = 6
_LOOKS: Final = 5
START_S: Final = 60.0
BOUNDS: Final = Bounds(coherent=5.0, cut_off=12.0)
"""A node that cannot reach PostgreSQL goes by the grants it knows for five seconds here."""

HEAL_S: Final = 10.0
_HEALINGS: Final = 8
"""How often a node may live for so many seconds until all is well; after each, two minutes are let pass."""

_SPOOLS: Final = "sequencer.spooled"
"""Passed only while PostgreSQL is away."""

LEASES: Final = (
    """UPDATE secret_intents SET lease_until = now(), next_attempt_at = now(),
        limbo_since = limbo_since - interval '2 minutes' WHERE state IN ('open', 'parked')""",
    "UPDATE rotation_runs SET lease_until = NULL, next_attempt_at = now()",
    "UPDATE secret_rotation_schedule SET lease_until = NULL, next_attempt_at = now()",
    "UPDATE notices SET lease_until = NULL, next_attempt_at = now() WHERE state = 'waiting'",
    "UPDATE sync_state SET lease_until = NULL, leader = NULL",
)
_VAULT_FAULTS: Final[tuple[dict[str, Any], ...]] = (
    {"status": 500},
    {"status": 503},
    {"status": 429, "headers": {"Retry-After": "1"}},
    {"drop": True},
    {"drop": True, "applied": "once"},
    {"status": 403, "code": "Forbidden", "inner": "ForbiddenByPolicy"},
)


@dataclass(frozen=True)
class Field(Ground):
    """The ground of rotations, in front of a vault."""

    vault: ScriptedVault | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def node(self) -> Any:
        """A node on it, with nothing in the background."""
        return opened(self.dsn, self.folder, self.vault, **self.more)


@dataclass
class Epoch:
    """The installation, and what became of it.

    ``server``: one that may be killed. ``ripe``: how many good answers lives give before they die.
    """

    server: EmbeddedPostgres
    ground: Field
    vault: ScriptedVault
    receiver: Receiver
    settings: Settings
    dice: random.Random
    hits: Counter[str] = field(default_factory=Counter)
    lives: list[Life] = field(default_factory=list)
    announced: int = 0
    patience_s: float = LONGEST_S
    ripe: tuple[int, ...] = (0, 1, 5, 20)

    @property
    def dsn(self) -> str:
        return self.ground.dsn

    @property
    def folder(self) -> Path:
        return self.ground.folder

    async def round(self, points: Sequence[str], blow: str | None = None) -> None:
        """Let as many processes live as there are points, each until it is killed there; then let leases run out.

        ``blow``: what of PostgreSQL is killed meanwhile, if anything; None: the dice say.
        """
        free, since = asyncio.Semaphore(AT_ONCE), len(self.lives)
        async with asyncio.TaskGroup() as tasks:
            for point in sorted(points, key=lambda each: each != _SPOOLS):  # PostgreSQL is killed as soon as that works
                tasks.create_task(self._life(point, free))
            tasks.create_task(self._blows(since, points, self._drawn(points) if blow is None else blow))
        await self._let_pass()

    async def _life(self, point: str, free: asyncio.Semaphore) -> None:
        async with free:
            life = begin(self._orders(len(self.lives), point))
            self.lives.append(life)
            dead = asyncio.create_task(life.hear())
            try:
                await self._end(life, dead)
            finally:
                life.process.kill()
                await dead
        assert life.process.exitcode == -signal.SIGKILL, f"it ended by itself: {life.process.exitcode}"
        self.hits[life.died_at or ANY] += 1

    async def possible(self) -> set[str]:
        """The points that can be passed now: some need what an earlier death left."""
        (left,) = await rows(self.dsn, "SELECT count(*) FROM secret_proposals")
        without = {"replication.orphaned"} if not left[0] else set()
        without |= set() if [*(self.folder / "audit").glob("*.log")] else {"housekeeping.shipped"}
        return in_source() - without

    def _orders(self, number: int, point: str) -> Orders:
        seed, after = self.dice.randrange(2**32), self.dice.choice((0, 0, 0, 1, 2, 4))
        acknowledged = self.dice.choice(self.ripe)
        if point.startswith(_AT_START):
            after = acknowledged = 0
        return Orders(number, seed, self.settings, "" if point == ANY else point, after, acknowledged)

    async def _end(self, life: Life, dead: asyncio.Task[None]) -> None:
        """Wait until it has killed itself; kill it if it does not, or is to die at any moment."""
        if not life.orders.point and not life.orders.acknowledged:
            await asyncio.wait({dead}, timeout=self.dice.uniform(0.0, 2.0))  # its start included
            life.process.kill()
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(life.works.wait(), START_S)
        until = time.monotonic() + self.patience_s
        while not dead.done() and time.monotonic() < until:
            await asyncio.wait({dead}, timeout=0.05)
            if not life.orders.point and life.acknowledged >= life.orders.acknowledged:
                break
        life.process.kill()

    def _drawn(self, points: Sequence[str]) -> str:
        strikes = _SPOOLS in points or self.dice.random() < 0.5
        return self.dice.choice((BACKEND, BACKEND, POSTMASTER)) if strikes else ""

    async def _blows(self, since: int, points: Sequence[str], blow: str) -> None:
        """What happens besides: others write in the vault, it fails now and then, PostgreSQL is killed."""
        for name in FOREIGN:
            self.vault.model.set(name, f"{name}.{since}", Attributes())
        if self.dice.random() < 0.5:
            operation = self.dice.choice(("get", "set", "set", "delete", "purge"))
            self.vault.fail(operation, times=self.dice.randint(1, 3), **self.dice.choice(_VAULT_FAULTS))
        if blow:
            await self._until_at_work(_SPOOLS if _SPOOLS in points else "", since)
            await asyncio.sleep(self.dice.uniform(0.0, 0.5))
            await (self._kill_postmaster() if blow == POSTMASTER else self._kill_backend())

    async def _until_at_work(self, point: str, since: int) -> None:
        """Wait until a life of this round that is to die there works; "": any."""

        async def works() -> bool:
            lives = self.lives[since:]
            return any(life.works.is_set() for life in lives if not point or life.orders.point == point)

        await within(3 * START_S, works)

    async def _kill_postmaster(self) -> None:
        os.kill(postmaster_pid(folder_of(self.server.dsn)), signal.SIGKILL)
        self.hits[POSTMASTER] += 1
        await asyncio.sleep(self.dice.uniform(0.0, 0.3))
        await start_again(self.server)

    async def _kill_backend(self) -> None:
        with suppress(OSError, asyncpg.PostgresError, ProcessLookupError):
            connection = await asyncpg.connect(self.dsn, timeout=5)
            others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            pid = await connection.fetchval(f"{others} ORDER BY state = 'active' DESC, random() LIMIT 1", timeout=5)
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
                self.hits[BACKEND] += 1
            connection.terminate()

    async def _let_pass(self) -> None:
        """Let the leases of the dead run out, and tell of something, so that there are notices to send."""
        await until_quiet(self.dsn)
        await execute(self.dsn, *LEASES)
        await patiently(self._between)

    async def _between(self) -> None:
        async with self.ground.node() as inside:
            for _ in range(_NOTICES):
                await inside.parts.notices.notifier.announce(happened(self.announced))
                self.announced += 1
            await check_known(self.ground, inside)

    async def _healed(self) -> Sequence[str]:
        """Let one node live, and time pass, until nothing is left to do; returns what is."""
        left: Sequence[str] = ()
        for _ in range(_HEALINGS):
            async with create_secrets_service(self.settings):
                left = await caught_up(partial(_left, self), time.monotonic() + HEAL_S)
            await until_quiet(self.dsn)
            await execute(self.dsn, *LEASES)
            if not left:
                break
        return left

    async def _rotated(self) -> list[str]:
        """Let rotations end and notices be sent; returns which notice was lost."""
        async with self.ground.node() as inside:
            for _ in range(2):
                await settle(self.ground, inside)
            await inside.parts.replica.replicator.drain()
            await check_current(self.ground, inside)
            await check_known(self.ground, inside)
            return await _lost_notices(self, inside)

    async def ended(self) -> tuple[History, list[str]]:
        """Let one node live and put everything in order; returns the history, and what of the rest is wrong."""
        self.vault.heal()
        unhealed = await self._healed()
        wrong = await patiently(self._rotated)
        events = events_of(self.lives)
        ending = await patiently(partial(looked_at, self, events, (*KEPT, *LIVES), unhealed, **BOTH))
        foreign = await patiently(partial(looked_at, self, [], FOREIGN, [], **BOTH))
        wrong += _differing(foreign)
        return History(events=tuple(events), ending=ending, bounds=BOUNDS), wrong


async def patiently(look: Callable[[], Awaitable[T]]) -> T:
    """Look, and again where a node of the harness itself found a busy machine's PostgreSQL or disk too slow."""
    for _ in range(_LOOKS):
        with suppress(BackendUnavailable):
            return await look()
        await asyncio.sleep(1)
    return await look()


async def until_quiet(dsn: str) -> None:
    """Wait until PostgreSQL has ended what dead processes had asked: a commit on its way still takes effect."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"

    async def busy() -> list[str]:
        return [f"{count} sessions" for (count,) in await rows(dsn, query) if count]

    left = await caught_up(busy, time.monotonic() + START_S)
    assert not left, left


def _differing(ending: Ending) -> list[str]:
    return [
        f"{name}: {secret} here, {ending.vaults[name]} in the vault"
        for name, secret in ending.ours.items()
        if secret != ending.vaults[name]
    ]


async def _lost_notices(epoch: Epoch, inside: Inside) -> list[str]:
    while any([await way.deliver() for way in inside.parts.notices.lanes.values()]):
        pass
    told = {str(document) for document in epoch.receiver.documents}
    return [
        f"notice {number} was lost"
        for number in range(epoch.announced)
        if not any(f"Event {number}'" in each for each in told)
    ]


async def _left(epoch: Epoch) -> list[str]:
    open_ones = (
        "SELECT kind || ' ' || secret_name || ': ' || last_error FROM secret_intents WHERE state IN ('open', 'parked')"
    )
    waiting = await waiting_in(epoch.dsn)
    waiting += [str(each) for (each,) in await rows(epoch.dsn, open_ones)] if waiting else []
    return waiting + [f"{file.name} waits" for file in (epoch.folder / "audit").glob("*.log")]


@asynccontextmanager
async def begun(
    server: EmbeddedPostgres, folder: Path, seed: int, patience_s: float = LONGEST_S
) -> AsyncIterator[Epoch]:
    """A new installation: all names exist, ``app`` may do all, and credentials of real servers are to be rotated."""
    async with AsyncExitStack() as stack:
        dsn = await stack.enter_async_context(fresh_database(server.dsn))
        vault = await stack.enter_async_context(ScriptedVault())
        (folder / "hooks").mkdir()
        ca_file, context = make_authority(folder / "hooks")
        receiver = await stack.enter_async_context(receiving(context))
        redis_url = stack.enter_context(running_redis(folder))
        more = {
            "cache_ttl": timedelta(seconds=1),
            "grant_lease": timedelta(seconds=5),
            "read_patience": timedelta(milliseconds=300),
            "sync_interval": timedelta(seconds=2),
            "redis_url": redis_url,
            "notice_channels": (("siem", f"webhook:{receiver.origin}/hook#{NOTICE_KEY}"),),
            "notice_targets": (receiver.origin,),
            "notice_ca": ca_file,
            **BOTH,
        }
        ground = Field(dsn, redis_url, folder / "data", vault, {**more, "grant_lease": timedelta(seconds=60)})
        settings = settings_for(dsn, ground.folder, vault, **more)
        epoch = Epoch(server, ground, vault, receiver, settings, random.Random(f"epoch {seed}"), patience_s=patience_s)

        async def prepared() -> None:
            async with ground.node() as inside:
                await prepare(ground, inside)
                await inside.service.grant_access("*", "app", list(ALL))

        await patiently(prepared)
        yield epoch
