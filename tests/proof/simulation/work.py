"""What clients ask for: scripts that a seed writes, and what became of each request, in the form of the histories."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from holdfast.domain.policy import AccessContext
from holdfast.errors import HoldfastError
from holdfast.service.manager import SecretsService
from holdfast.web.v1.problems import code_of, status_of
from tests.proof.history.events import Event, Op, Outcome, Surface
from tests.proof.simulation.fates import DURING_S, NODES
from tests.proof.simulation.nodes import Life, Node

KEPT: Final = ("keep-0", "keep-1")
LIVES: Final = ("life-0", "life-1")
ALL: Final = ("get", "list", "set", "delete", "recover", "purge", "grant")
PATIENCE_S: Final = 8.0
_STEPS: Final = 14
_UNKNOWN: Final = frozenset({"outcome_unknown", "internal"})


class Step(NamedTuple):
    """One request of a client, not before its moment."""

    client: str
    number: int
    at_s: float
    op: Op
    name: str
    node: int
    version: int = 0


class Blow(NamedTuple):
    """A node is killed, and started again after a while."""

    at_s: float
    node: int
    down_s: float


_CYCLE: Final = (Op.SET, Op.UPDATE, Op.DELETE, Op.RECOVER, Op.DELETE, Op.PURGE)
"""What happens to a name that does not stay."""


def script_of(seed: str) -> list[Step]:
    """What the clients of a seed ask for.

    Two lead a name each through its lives, two write and read all names, two read under a grant, and one gives it.
    """
    steps = []
    for number in range(7):
        client = f"{'ruler' if number == 6 else 'reader' if number >= 4 else 'app'}-{number}"
        dice, at_s = random.Random(f"script {seed} {number}"), 0.0
        for step in range(_STEPS):
            at_s += dice.uniform(0, 2 * DURING_S / _STEPS)
            op, name = _led(number, step, dice) if number < len(LIVES) else _drawn(client, step, dice)
            steps.append(Step(client, step, at_s, op, name, dice.randrange(NODES), dice.randint(1, 5)))
    return steps


def _led(number: int, step: int, dice: random.Random) -> tuple[Op, str]:
    return dice.choice((Op.GET, *[_CYCLE[step % len(_CYCLE)]] * 5)), LIVES[number]


def _drawn(client: str, step: int, dice: random.Random) -> tuple[Op, str]:
    name = dice.choice((*KEPT, *LIVES))
    if client.startswith("reader"):
        return Op.GET, name
    if client.startswith("ruler"):
        return (Op.REVOKE if step % 2 else Op.GRANT), "*"
    kinds = [*[Op.GET] * 6, *[Op.SET] * 5, Op.UPDATE, Op.PIN, Op.LIST]
    op = dice.choice([*kinds, *[Op.DELETE, Op.RECOVER, Op.PURGE] * (name in LIVES)])
    return op, "*" if op is Op.LIST else name


def blows_of(seed: str) -> list[Blow]:
    """The deaths of a seed: none to two."""
    dice = random.Random(f"blows {seed}")
    return [
        Blow(dice.uniform(1.0, DURING_S - 1.0), dice.randrange(NODES), dice.choice((0.1, 1.0, 3.0)))
        for _ in range(dice.choice((0, 0, 0, 1, 1, 2)))
    ]


class Clients:
    """All clients of a run, and what they were told."""

    def __init__(self, nodes: Sequence[Node], steps: Collection[Step]) -> None:
        self._nodes, self._steps = nodes, steps
        self.told: list[Event] = []

    async def begin(self) -> None:
        """Let the application do all, and every name be there."""
        life = self._nodes[0].life
        assert life is not None
        await life.begin(life.service.grant_access("*", "app", list(ALL)))
        for name in (*KEPT, *LIVES):
            await self._take(Step("first", 0, 0.0, Op.SET, name, 0))

    async def work(self) -> None:
        """Go through all scripts."""
        scripts: dict[str, list[Step]] = {}
        for step in self._steps:
            scripts.setdefault(step.client, []).append(step)
        await asyncio.gather(*map(self._play, scripts.values()))

    async def _play(self, script: Sequence[Step]) -> None:
        for step in script:
            await asyncio.sleep(max(0.0, step.at_s - asyncio.get_running_loop().time()))
            await self._take(step)

    async def _take(self, step: Step) -> None:
        """Ask; a write that no one knows of is repeated with its key, at the other node at last."""
        for again in range(3 if step.op is Op.SET else 1):
            event = await self._ask(step, again)
            if event is None or event.outcome is not Outcome.UNKNOWN:
                return

    async def _ask(self, step: Step, again: int) -> Event | None:
        node = self._nodes[(step.node + again // 2) % NODES]
        life = node.life
        if life is None:  # no one listens, so nothing went out
            return None
        value = f"{step.name}.{step.client}.{step.number}" if step.op is Op.SET else ""
        event = Event(
            id=f"{step.client}.{step.number}.{again}",
            client=step.client,
            who="reader" if step.op in (Op.GRANT, Op.REVOKE) else step.client.partition("-")[0],
            node=node.number,
            surface=Surface.OWN,
            op=step.op,
            name=step.name,
            began=asyncio.get_running_loop().time(),
            value=value,
            key=value,
        )
        self.told.append(await _heard(event, life, _WAYS[step.op](life.service, event, step)))
        return self.told[-1]


async def _heard(event: Event, life: Life, call: Awaitable[Any]) -> Event:
    async def asked() -> Any:
        return await call

    task = life.begin(asked())
    await asyncio.wait({task}, timeout=PATIENCE_S)
    ended = replace(event, ended=asyncio.get_running_loop().time())
    if not task.done() or task.cancelled() or life.line.cut:
        task.cancel()
        return event
    error = task.exception()
    if error is not None:
        code = code_of(error) if isinstance(error, Exception) else "internal"
        unknown = code in _UNKNOWN or not isinstance(error, HoldfastError)
        status = int(status_of(error)) if isinstance(error, HoldfastError) else 500
        if status == 500:
            code = f"{type(error).__name__}: {error}"
        return replace(ended, status=status, code=code, outcome=Outcome.UNKNOWN if unknown else Outcome.REFUSED)
    return replace(ended, outcome=Outcome.OK, status=200, **_told(event, task.result()))


def _told(event: Event, found: Any) -> Mapping[str, Any]:
    if event.op is Op.SET:
        return {"version": found.version}
    if event.op is Op.LIST:
        return {"names": tuple(each.name for each in found)}
    if event.op in (Op.GET, Op.PIN):
        told = {"value": found.value, "version": found.version, "stale": found.stale}
        return {**told, "source": str(found.source)}
    return {}


def _context(event: Event) -> AccessContext:
    who = "reader" if event.client.startswith("reader") else "app"
    return AccessContext(user_id=who, request_id=event.id)


_WAYS: Final[Mapping[Op, Callable[[SecretsService, Event, Step], Awaitable[Any]]]] = {
    Op.SET: lambda service, event, _: service.set_secret(
        event.name, event.value, idempotency_key=event.key, context=_context(event)
    ),
    Op.UPDATE: lambda service, event, _: service.update_secret(
        event.name, tags={"by": event.id.replace(".", "-")}, context=_context(event)
    ),
    Op.GET: lambda service, event, _: service.get_secret(event.name, context=_context(event)),
    Op.PIN: lambda service, event, step: service.get_secret_version(event.name, step.version, context=_context(event)),
    Op.LIST: lambda service, event, _: service.list_secrets(context=_context(event)),
    Op.DELETE: lambda service, event, _: service.delete_secret(event.name, context=_context(event)),
    Op.RECOVER: lambda service, event, _: service.recover_secret(event.name, context=_context(event)),
    Op.PURGE: lambda service, event, _: service.purge_secret(event.name, context=_context(event)),
    Op.GRANT: lambda service, event, _: service.grant_access("*", "reader", ["get"], context=_context(event)),
    Op.REVOKE: lambda service, event, _: service.revoke_access("*", "reader", context=_context(event)),
}
