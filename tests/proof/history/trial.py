"""One seed: an installation, its clients, its faults, and the history that comes of it."""

import asyncio
import itertools
import random
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from holdfast.embedded.postgres import EmbeddedPostgres
from tests.proof.history.blows import followed, suffer
from tests.proof.history.clients import KEPT, LIVES, Worker
from tests.proof.history.ending import ending_of
from tests.proof.history.events import EDITED, Event, History, Op
from tests.proof.history.faults import DURING_S, Fault, faults_of
from tests.proof.history.installation import Installation, installed
from tests.proof.history.people import consuming, editing, emergencies, keeping, reading, rotating, ruling
from tests.support.folders import short_folder

ENOUGH = 120
"""Acknowledged operations that make a history; on a busy machine they take longer than the faults."""

LONGEST = 2
"""How many times as long as the faults clients work at most to get there."""

WORKERS = 10
READERS = 3


async def history_of(
    seed: int,
    server: EmbeddedPostgres,
    *,
    faults: Sequence[Fault] | None = None,
    during_s: float = DURING_S,
    logs: Path | None = None,
) -> History:
    """Run a seed: what clients ask for, and, unless others are given, its faults.

    ``server`` is one that this may kill; ``logs``: where those of the nodes are kept.
    """
    wanted = faults_of(seed) if faults is None else faults
    with short_folder() as folder:
        async with installed(server, folder) as made, followed(made, wanted):
            events = await under_faults(made, seed, wanted, during_s)
            ending = await ending_of(made, events)
            if logs is not None:
                for node in made.nodes:
                    (logs / f"{seed}-{node.number}.log").write_bytes((node.folder / "log").read_bytes())
    return History(events=tuple(events), ending=ending)


async def under_faults(made: Installation, seed: int, faults: Sequence[Fault], during_s: float) -> list[Event]:
    """Let clients work while faults happen; all of it ends by itself."""
    told: list[Event] = []
    numbers = itertools.count()

    def client(who: str) -> Worker:
        return Worker(made, seed, next(numbers), who, told)

    workers = [client("app") for _ in range(WORKERS)] + [client("reader") for _ in range(READERS)]
    ruler, rotator, keeper, consumer = client("app"), client("app"), client("app"), client("consumer")
    for name in (*KEPT, *LIVES, *EDITED):
        await ruler.ask(Op.SET, name, value=f"{name}.first", key=f"{name}.first")
    began = time.monotonic()

    def enough() -> bool:
        passed_s = time.monotonic() - began
        done = sum(event.ok for event in told) >= ENOUGH
        return passed_s >= during_s and (done or passed_s >= LONGEST * during_s)

    async with asyncio.TaskGroup() as tasks:
        for worker in workers:
            tasks.create_task(worker.run(enough))
        others = {
            "rules": partial(ruling, ruler),
            "rotations": partial(rotating, rotator),
            "consumer": partial(consuming, consumer),
            "emergencies": partial(emergencies, client("erin"), client("ann")),
            "erin": partial(reading, client("erin")),
            "keys": partial(keeping, keeper),
            "edits": partial(editing, made, told),
        }
        for what, goes_on in others.items():
            tasks.create_task(goes_on(enough, random.Random(f"{what} {seed}")))
        for fault in faults:
            tasks.create_task(_at(began + fault.at_s, made, fault))
    return sorted(told, key=lambda event: event.began)


async def _at(moment: float, made: Installation, fault: Fault) -> None:
    await asyncio.sleep(max(0.0, moment - time.monotonic()))
    await suffer(made, fault)
