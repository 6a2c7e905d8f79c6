"""Nodes, as production wires them, on what is simulated outside: started, killed and started again."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

from holdfast.bootstrap.background import background, presence_of
from holdfast.bootstrap.facade import use_cases
from holdfast.bootstrap.keysources import key_ring
from holdfast.bootstrap.parts import Parts
from holdfast.cache.redis import RedisCache
from holdfast.service.manager import SecretsService
from holdfast.stores.postgres.database import Database, Installation
from tests.proof.simulation.fates import Fates, Kind, Way
from tests.proof.simulation.lines import Line
from tests.proof.simulation.postgres import Postgres
from tests.proof.simulation.universe import Universe
from tests.proof.simulation.vault import DistantVault, Redis
from tests.support.node import settings_for
from tests.support.vault_model import VaultModel

T = TypeVar("T")

INSTALLATION: Final = Installation(UUID(int=1), UUID(int=2), UUID(int=3))
LEASE_S: Final = 2.0
"""The lease on rules: how long a node that is cut off goes on."""

_TTL: Final = timedelta(seconds=1)
_BACKGROUND: Final = frozenset(
    {"housekeeping", "audit tail", "audit notes", "replay", "mirroring", "former values", "unsettled", "wakefulness"}
)
_life: ContextVar["Life | None"] = ContextVar("life", default=None)


class UniverseClock:
    """The universe's time as ``ports.Clock``."""

    def __init__(self, universe: Universe) -> None:
        self._universe = universe

    def now(self) -> datetime:
        return self._universe.moment()

    def monotonic(self) -> float:
        return self._universe.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass
class Outside:
    """All that nodes share."""

    universe: Universe
    fates: Fates
    postgres: Postgres
    redis: Redis
    vault: VaultModel
    folder: Path

    def take_tasks(self) -> None:
        """Let every task and thread belong to the life of the node that began it."""

        def made(loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> "asyncio.Task[Any]":
            task, life = asyncio.Task(work, loop=loop, **more), _life.get()
            if life is not None:
                life.tasks.add(task)
                task.add_done_callback(life.tasks.discard)
            return task

        def thread(work: Callable[[], T]) -> "asyncio.Future[T]":
            life = _life.get()
            assert life is not None
            return life.disk.run(work)

        self.universe.set_task_factory(made)
        self.universe.thread = thread


class Disk:
    """The disk of a node. What is stuck keeps all that follows waiting."""

    def __init__(self, outside: Outside, line: Line) -> None:
        self._universe, self._fates, self._line = outside.universe, outside.fates, line
        self._free_at = 0.0
        self._stuck: list[Callable[[], None]] | None = None

    def run(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        """Do something in a thread."""
        future: asyncio.Future[T] = self._universe.create_future()
        fate = self._fates.of(Kind.APPEND, self._line.node)

        def do() -> None:
            if not self._line.cut:
                self._do(work, future, refuses=fate.way is Way.REFUSED)

        if fate.way is Way.HUNG and self._stuck is None:
            self._stuck = []
        if self._stuck is not None:
            self._stuck.append(do)
            return future
        takes_s = fate.late_s if fate.way is Way.LATE else fate.takes_s
        self._free_at = max(self._universe.time(), self._free_at) + takes_s
        self._universe.call_at(self._free_at, do)
        return future

    def heal(self) -> None:
        """Let what is stuck go on."""
        stuck, self._stuck = self._stuck or [], None
        for each in stuck:
            each()

    def _do(self, work: Callable[[], T], future: "asyncio.Future[T]", *, refuses: bool) -> None:
        sync: list[Way | None] = []

        def fails(name: str) -> bool:
            if name == "fdatasync":
                sync.append(self._fates.of(Kind.FSYNC, self._line.node).way)
            cut_back = name == "ftruncate" and Way.LOST not in sync
            return (name == "write" and refuses) or (sync[-1:] in ([Way.REFUSED], [Way.LOST]) and not cut_back)

        self._universe.fails = fails
        try:
            result = work()
        except OSError as error:
            if not future.done():
                future.set_exception(error)
        else:
            if not future.done() and Way.MUTE not in sync:
                future.set_result(result)
        finally:
            self._universe.fails = lambda name: False


@dataclass(eq=False)
class Life:
    """One life of a node, from its start to its death."""

    parts: Parts
    service: SecretsService
    line: Line
    disk: Disk
    tasks: "set[asyncio.Task[Any]]" = field(default_factory=set)

    def begin(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Do something that ends with this life."""
        before = _life.set(self)
        try:
            return asyncio.get_running_loop().create_task(work)
        finally:
            _life.reset(before)


class Node:
    """A node, alive or not."""

    def __init__(self, outside: Outside, number: int) -> None:
        self._outside, self.number = outside, number
        self.folder = outside.folder / f"node-{number}"
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.life: Life | None = None

    async def start(self) -> None:
        """Start it; it serves when it can."""
        outside, line = self._outside, Line(self._outside.fates, self.number)
        patience: dict[str, Any] = {"read_patience": timedelta(milliseconds=300), "sync_interval": timedelta(seconds=2)}
        settings = settings_for(
            "postgresql://simulated", self.folder, cache_ttl=_TTL, grant_lease=timedelta(seconds=LEASE_S), **patience
        )
        shared = RedisCache(
            "redis://simulated", namespace="simulated", max_ttl=_TTL, connect=outside.redis.connect(line)
        )
        vault = DistantVault(UniverseClock(outside.universe), outside.vault, line)
        database = Database(pools=outside.postgres.pools(line))
        ring = key_ring(settings, own_database=False)
        parts = Parts(
            settings, ring, database, INSTALLATION, vault=vault, shared=shared, machine=outside.universe.moment
        )
        started = use_cases(parts)

        async def using(_: object) -> Any:
            return started

        self.life = Life(parts, SecretsService(using), line, Disk(outside, line))
        await self.life.begin(self._begin(self.life))

    async def _begin(self, life: Life) -> None:
        await life.service.initialize()
        life.begin(life.parts.feed.start(life.parts.coherence))
        for name, work in background(life.parts, presence_of(life.parts)).items():
            if name in _BACKGROUND:
                life.begin(life.parts.supervisor.run(name, work))

    def kill(self) -> None:
        """End it as ``kill -9`` does: what it asked outside goes on, and it hears of none of that."""
        life, self.life = self.life, None
        if life is None:
            return
        life.line.cut = True
        for session in list(self._outside.postgres.sessions.values()):
            if session.line is life.line:
                session.terminate()
        for task in list(life.tasks):
            task.cancel()
        life.parts.audit.spool.close()
        life.parts.audit.notes.close()
        life.parts.audit.spool.forget_writer()
