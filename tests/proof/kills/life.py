"""A node with a mixed load of its own, in a process that is killed: what it was asked, and what it answered.

Every operation is told twice, as it begins and as it ends: what was under way at the death may have taken effect.
"""

import asyncio
import multiprocessing
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Final

from msgspec.structs import replace

import holdfast.cache.redis
import holdfast.stores.keyvault.store  # noqa: F401 - what nodes import as they start: here it is done once for all lives
from holdfast import create_secrets_service
from holdfast.config import Settings
from holdfast.domain.policy import AccessContext
from holdfast.errors import AccessDenied, HoldfastError, OutcomeUnknown, SecretNotFound, StartupError
from holdfast.service.manager import SecretsService
from tests.keys.support import NEW_ID, OLD_ID
from tests.proof.history.events import Event, Op, Outcome, Surface
from tests.proof.kills.points import die_at
from tests.rotation.killed import SECRETS
from tests.support.postgres import execute

KEPT: Final = tuple(f"keep-{number}" for number in range(12))
LIVES: Final = tuple(f"life-{number}" for number in range(12))
FOREIGN: Final = tuple(f"foreign-{number}" for number in range(3))
"""Written by others, directly in the vault."""

_WORKERS, _READERS = 4, 2
_QUIET_S: Final = 0.01
_PATIENCE_S: Final = 60.0
_GRACE: Final = (
    "UPDATE rotation_runs SET next_attempt_at = now(), promoted_at = promoted_at - interval '1 hour' "
    "WHERE promoted_at > now() - interval '1 hour'"
)
"""What rotations wait for besides leases."""


@dataclass(frozen=True)
class Orders:
    """Who lives on what, and where it dies: at a point, after it has passed it so many times; "": whenever.

    ``acknowledged``: operations that it has answered well before that.
    """

    number: int
    seed: int
    settings: Settings
    point: str = ""
    after: int = 0
    acknowledged: int = 0


@dataclass
class Life:
    """Such a process, as the one who kills it sees it."""

    orders: Orders
    process: BaseProcess
    connection: Connection
    told: dict[str, Event] = field(default_factory=dict)
    died_at: str = ""
    acknowledged: int = 0
    works: asyncio.Event = field(default_factory=asyncio.Event)

    async def hear(self) -> None:
        """Take down what it tells until it is dead."""
        loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._hear, lambda: loop.call_soon_threadsafe(self.works.set))
        await asyncio.to_thread(self.process.join, _PATIENCE_S)
        self.connection.close()

    def _hear(self, works: Callable[[], object]) -> None:
        with suppress(EOFError, ConnectionError):
            while True:
                said: Event | str = self.connection.recv()
                if isinstance(said, Event):
                    self.told[said.id] = said
                    self.acknowledged += said.ok
                else:
                    self.died_at = said
                works()
        works()


def begin(orders: Orders) -> Life:
    """Start one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_live, args=(theirs, orders), daemon=True)
    process.start()
    theirs.close()
    return Life(orders, process, ours)


def _live(connection: Connection, orders: Orders) -> None:
    if orders.point:
        farewell = partial(connection.send, orders.point)
        die_at(orders.point, orders.after, farewell, lambda: Client.acknowledged >= orders.acknowledged)
    asyncio.run(_work(connection, orders))


async def _work(connection: Connection, orders: Orders) -> None:
    service = await _started(orders.settings)
    async with asyncio.TaskGroup() as tasks:
        for number in range(_WORKERS + _READERS):
            who = "app" if number < _WORKERS else "reader"
            tasks.create_task(Client(service, connection, orders, f"{who}-{number}", who).run())
        tasks.create_task(_rule(Client(service, connection, orders, "ruler", "app")))
        for chore, modules in _CHORES.items():
            if orders.point.startswith(modules) or random.Random(f"{orders.seed} {chore.__name__}").random() < 0.3:
                tasks.create_task(chore(service, orders))


async def _started(settings: Settings) -> SecretsService:
    """A node that runs. PostgreSQL may be away for a moment, and a supervisor would start it again."""
    while True:
        service = create_secrets_service(settings)
        try:
            await service.initialize()
        except StartupError:
            await asyncio.sleep(0.1)
        else:
            return service


class Client:
    """Asks for one thing at a time. ``acknowledged``: how many answers of this process were good."""

    acknowledged = 0

    def __init__(self, service: SecretsService, connection: Connection, orders: Orders, name: str, who: str) -> None:
        self._service, self._connection = service, connection
        self._node, self.name, self.who = orders.number, f"{orders.number}.{name}", who
        self.dice = random.Random(f"{orders.seed} {name}")
        self._asked = 0

    async def run(self) -> None:
        """Ask on."""
        while True:
            if self.who == "reader":
                await self.ask(Op.GET, self.dice.choice((*KEPT, *LIVES)))
            elif self.dice.random() < 0.05:
                await self._look_elsewhere()
            else:
                await self._step()
            await asyncio.sleep(self.dice.uniform(0, 2 * _QUIET_S))

    async def _look_elsewhere(self) -> None:
        with suppress(HoldfastError):
            await self._service.get_secret(self.dice.choice(FOREIGN))

    async def _step(self) -> None:
        name = self.dice.choice((*KEPT, *LIVES))
        kinds = [*[Op.GET] * 6, *[Op.SET] * 6, Op.LIST]
        if name in LIVES:
            kinds += [Op.DELETE, Op.DELETE, Op.RECOVER, Op.PURGE]
        op = self.dice.choice(kinds)
        value = f"{name}.{self.name}.{self._asked}" if op is Op.SET else ""
        for _ in range(2 if op is Op.SET else 1):  # with the same idempotency key, where no one knows
            event = await self.ask(op, "*" if op is Op.LIST else name, value=value)
            if event.outcome is not Outcome.UNKNOWN:
                return

    async def ask(self, op: Op, name: str, *, who: str = "", value: str = "") -> Event:
        """Ask one thing, and tell of it."""
        self._asked += 1
        event = Event(
            id=f"{self.name}.{self._asked}",
            client=self.name,
            who=who or self.who,
            node=self._node,
            surface=Surface.OWN,
            op=op,
            name=name,
            began=time.monotonic(),
            value=value,
            key=value,
        )
        self._connection.send(event)
        event = replace(await self._answered(event), ended=time.monotonic())
        self._connection.send(event)
        Client.acknowledged += event.ok
        return event

    async def _answered(self, event: Event) -> Event:
        context = AccessContext(user_id=self.who, request_id=event.id)
        try:
            found = await asked(self._service, event, context)
        except OutcomeUnknown as error:
            return replace(event, code=error.code)
        except HoldfastError as error:
            return replace(event, outcome=Outcome.REFUSED, status=_status(error), code=error.code)
        except Exception as error:
            return replace(event, status=500, code=repr(error))
        return replace(event, outcome=Outcome.OK, status=200, **found)


def _status(error: HoldfastError) -> int:
    return 404 if isinstance(error, SecretNotFound) else 403 if isinstance(error, AccessDenied) else 503


async def asked(service: SecretsService, event: Event, context: AccessContext) -> dict[str, Any]:
    """Ask for it; returns what the answer tells."""
    name = event.name
    match event.op:
        case Op.GET:
            secret = await service.get_secret(name, context=context)
            return {"value": secret.value, "version": secret.version, "stale": secret.stale, "source": secret.source}
        case Op.SET:
            made = await service.set_secret(name, event.value, idempotency_key=event.key, context=context)
            return {"version": made.version}
        case Op.LIST:
            return {"names": tuple(each.name for each in await service.list_secrets(limit=1000, context=context))}
        case Op.GRANT:
            await service.grant_access("*", event.who, ["get"], context=context)
        case Op.REVOKE:
            await service.revoke_access("*", event.who, context=context)
        case _:
            change: Callable[..., Awaitable[object]] = getattr(service, f"{event.op}_secret")
            await change(name, context=context)
    return {}


async def _rule(client: Client) -> None:
    """Grant the reader all, and take it back, in turn."""
    while True:
        for op in (Op.GRANT, Op.REVOKE):
            await client.ask(op, "*", who="reader")
            await asyncio.sleep(client.dice.uniform(0.02, 0.3))


async def _rotate(service: SecretsService, orders: Orders) -> None:
    dice = random.Random(f"{orders.seed} rotations")
    while True:
        with suppress(HoldfastError, OSError):
            await service.rotate_secret(dice.choice(SECRETS))
        with suppress(Exception):  # PostgreSQL may be away; what is not moved now is moved later
            await execute(orders.settings.database_url or "", _GRACE)
        with suppress(HoldfastError):
            await service.execute_scheduled_rotations()
        await asyncio.sleep(0.02 if orders.point.startswith("driver") else 0.2)


async def _change_keys(service: SecretsService, _: Orders) -> None:
    while True:
        for key_id in (NEW_ID, OLD_ID):
            with suppress(HoldfastError):
                await service.keys.activate(key_id)
            with suppress(HoldfastError):
                await service.keys.rewrap()
            await asyncio.sleep(0.2)


_CHORES: Final = {_rotate: ("driver",), _change_keys: ("keys", "rewrapping")}
"""What costs more than reads and writes: only some lives have it, and those that are to die there."""


def events_of(lives: Sequence[Life]) -> list[Event]:
    """All that they told, by its beginning."""
    return sorted((event for life in lives for event in life.told.values()), key=lambda event: event.began)
