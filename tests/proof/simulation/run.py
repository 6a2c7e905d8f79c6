"""One seed: nodes in virtual time, their clients, what befalls them, and the history that comes of it."""

import asyncio
import gc
import tempfile
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from holdfast.domain.names import SecretName
from holdfast.domain.verification import verify
from holdfast.stores.postgres.audit import TABLE
from holdfast.stores.postgres.trail import entry_in
from tests.proof.history.events import Bounds, Ending, Event, History, Secret
from tests.proof.simulation.fates import DURING_S, NODES, Fates, Site
from tests.proof.simulation.nodes import LEASE_S, Node, Outside, UniverseClock
from tests.proof.simulation.postgres import Postgres, Served
from tests.proof.simulation.statements import WAITING
from tests.proof.simulation.universe import Universe, enter
from tests.proof.simulation.vault import Redis
from tests.proof.simulation.work import KEPT, LIVES, Blow, Clients, Step, blows_of, script_of
from tests.support.vault_model import Phase, VaultModel

HEAL_S: Final = 150.0
"""Seconds for everything to be well again: the longest lease is one of 60, and a breaker's longest pause as well."""

BOUNDS: Final = Bounds(coherent=1.05, cut_off=LEASE_S + 0.05)
_STATES: Final = {Phase.ACTIVE: "live", Phase.DELETED: "deleted", None: "absent"}


@dataclass(kw_only=True)
class Trial:
    """What is tried: all that a seed says, or a part of it."""

    seed: str
    steps: Collection[Step]
    blows: Sequence[Blow]
    only: Collection[Site] | None = None
    trace: bool = False

    @classmethod
    def of(cls, seed: str, *, trace: bool = False) -> "Trial":
        """All that a seed says."""
        return cls(seed=seed, steps=script_of(seed), blows=blows_of(seed), trace=trace)


@dataclass
class Run:
    """What came of it. ``errors``: what went wrong in the simulation itself."""

    history: History
    met: list[Site]
    served: list[Served]
    lasted_s: float
    errors: list[str] = field(default_factory=list)


def run(trial: Trial) -> Run:
    """Run it, from the beginning of its time to the end."""
    universe = Universe(trial.seed)
    enter(universe)
    errors: list[str] = []
    universe.set_exception_handler(lambda _, context: _note(errors, context))
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        gc.disable()  # whatever it ends, it would end at a moment of its own
        try:
            found = universe.run_until_complete(_run(trial, universe, Path(folder)))
        finally:
            gc.enable()
            asyncio.set_event_loop(None)
            for task in asyncio.all_tasks(universe):
                task.cancel()
    found.errors = errors
    return found


def _memory() -> str | None:
    """A folder that costs no disk, if there is one."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _note(errors: list[str], context: dict[str, Any]) -> None:
    error = context.get("exception")
    if error is not None and "never retrieved" not in str(context.get("message")):
        errors.append(f"{context.get('message')}: {error!r}")


async def _run(trial: Trial, universe: Universe, folder: Path) -> Run:
    fates = Fates(trial.seed, universe.time, trial.only)
    clock, postgres = UniverseClock(universe), Postgres(universe.moment, trace=trial.trace)
    vault = VaultModel(clock, settle_s=universe.dice.choice((0.0, 1.0, 4.0)))
    outside = Outside(universe, fates, postgres, Redis(universe.time), vault, folder)
    outside.take_tasks()
    nodes = [Node(outside, number) for number in range(NODES)]
    fates.well = True
    for node in nodes:
        await node.start()
    await asyncio.sleep(0.2)
    clients = Clients(nodes, trial.steps)
    await clients.begin()
    fates.well = False
    blows = [asyncio.ensure_future(_strike(nodes, blow)) for blow in trial.blows]
    working = asyncio.ensure_future(clients.work())
    await asyncio.sleep(DURING_S - universe.time())
    fates.well = True
    await asyncio.gather(*blows, working)
    ending = await _ending(outside, nodes, clients.told)
    history = History(
        events=tuple(sorted(clients.told, key=lambda event: (event.began, event.id))), ending=ending, bounds=BOUNDS
    )
    for node in nodes:
        node.kill()
    return Run(history, fates.met, postgres.served or [], universe.time())


async def _strike(nodes: Sequence[Node], blow: Blow) -> None:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(max(0.0, blow.at_s - loop.time()))
    nodes[blow.node].kill()
    await asyncio.sleep(blow.down_s)
    if nodes[blow.node].life is None:
        await nodes[blow.node].start()


async def _ending(outside: Outside, nodes: Sequence[Node], events: Sequence[Event]) -> Ending:
    """Wait until all has healed, and look at what there is."""
    until = outside.universe.time() + HEAL_S
    for node in nodes:
        if node.life is not None:
            node.life.disk.heal()
    await asyncio.sleep(max(0.5, outside.fates.late_until - outside.universe.time()))
    while (unhealed := _left(outside, nodes)) and outside.universe.time() < until:
        await asyncio.sleep(1.0)
    rows = outside.postgres.tables.committed[TABLE].values()
    lines = [
        entry_in(row).line() + b"\n"
        for row in sorted(rows, key=lambda row: (row["writer"].int, row["boot"], row["seq"]))
    ]
    trail = tuple(str(problem) for problem in verify(lines, [], lambda *_: True).problems)
    asked = {event.id for event in events}
    records = Counter(row["request_id"] for row in rows if row["success"] and row["request_id"] in asked)
    life = nodes[0].life
    assert life is not None
    names = (*KEPT, *LIVES)
    ours = {name: await life.begin(_here(life.parts, name)) for name in names}
    vaults = {name: _there(outside.vault, name) for name in names}
    return Ending(ours=ours, vaults=vaults, records=dict(records), trail=trail, unhealed=tuple(unhealed))


def _left(outside: Outside, nodes: Sequence[Node]) -> list[str]:
    tables = outside.postgres.tables.committed
    waiting = [
        f"{row['kind']} of {row['secret_name']}" for row in tables["secret_intents"].values() if row["state"] in WAITING
    ]
    records = [f"{len(tables['audit_outbox'])} records in the outbox"] if tables["audit_outbox"] else []
    spooled = [f"{node.number}/{file.name}" for node in nodes for file in (node.folder / "audit").glob("*.log")]
    moving = [each.name for each in outside.vault if outside.vault.phase(each.name) not in _STATES]
    ill = [f"node {node.number} is cut off" for node in nodes if node.life is None or not node.life.parts.feed.live()]
    return [*waiting, *records, *spooled, *moving, *ill]


async def _here(parts: Any, name: str) -> Secret:
    found = await parts.ledger.contents(SecretName(name))
    if found is None:
        return Secret(state="absent")
    head, versions = found
    values = tuple(parts.mirror.value(head, each).reveal() for each in versions)
    return Secret(state="live" if head.state == "active" else "deleted", values=values)


def _there(vault: VaultModel, name: str) -> Secret:
    """A secret of the vault, without what came there once more, late: that stays in its history, and only there."""
    history = [version.value for version in vault.history(name)]
    values = list(dict.fromkeys(history))
    newest = history[-1:] if history[-1:] != values[-1:] else []
    return Secret(state=_STATES.get(vault.phase(name), "moving"), values=(*values, *newest))
