"""One seed: an installation, its clients, its faults, and the history that comes of it."""

import asyncio
import random
import time
from collections.abc import Sequence
from pathlib import Path

from holdfast.embedded.postgres import EmbeddedPostgres
from tests.proof.history.blows import suffer
from tests.proof.history.clients import KEPT, LIVES, Worker, ruling
from tests.proof.history.ending import ending_of
from tests.proof.history.events import Event, History, Op
from tests.proof.history.faults import DURING_S, Fault, faults_of
from tests.proof.history.installation import Installation, installed
from tests.support.folders import short_folder

ENOUGH = 150
"""Acknowledged operations that make a history; on a busy machine they take longer than the faults."""

LONGEST = 3
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
    with short_folder() as folder:
        async with installed(server, folder) as made:
            events = await _under_faults(made, seed, faults_of(seed) if faults is None else faults, during_s)
            ending = await ending_of(made, events)
            if logs is not None:
                for node in made.nodes:
                    (logs / f"{seed}-{node.number}.log").write_bytes((node.folder / "log").read_bytes())
    return History(events=tuple(events), ending=ending)


async def _under_faults(made: Installation, seed: int, faults: Sequence[Fault], during_s: float) -> list[Event]:
    """Let clients work while faults happen; all of it ends by itself."""
    told: list[Event] = []
    numbers = range(WORKERS + READERS)
    workers = [Worker(made, seed, number, "reader" if number >= WORKERS else "app", told) for number in numbers]
    ruler = Worker(made, seed, len(numbers), "app", told)
    for name in (*KEPT, *LIVES):
        await ruler.ask(Op.SET, name, value=f"{name}.first", key=f"{name}.first")
    began = time.monotonic()

    def enough() -> bool:
        passed_s = time.monotonic() - began
        done = sum(event.ok for event in told) >= ENOUGH
        return passed_s >= during_s and (done or passed_s >= LONGEST * during_s)

    async with asyncio.TaskGroup() as tasks:
        for worker in workers:
            tasks.create_task(worker.run(enough))
        tasks.create_task(ruling(ruler, enough, random.Random(f"rules {seed}")))
        for fault in faults:
            tasks.create_task(_at(began + fault.at_s, made, fault))
    return sorted(told, key=lambda event: event.began)


async def _at(moment: float, made: Installation, fault: Fault) -> None:
    await asyncio.sleep(max(0.0, moment - time.monotonic()))
    await suffer(made, fault)
