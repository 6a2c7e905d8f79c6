"""``holdfast serve`` with several workers under load: workers, servers and PostgreSQL are killed at any moment."""

import asyncio
import random
import time
from collections import Counter
from functools import partial
from typing import Final

from msgspec.structs import replace

from holdfast.embedded.postgres import EmbeddedPostgres
from tests.keys.support import NEW
from tests.proof.history.ending import HEAL_S, NAMES, caught_up, looked_at, waiting_in
from tests.proof.history.events import History
from tests.proof.history.faults import NODES, Blow, Fault
from tests.proof.history.installation import Installation, installed
from tests.proof.history.trial import under_faults
from tests.proof.kills.epoch import BOUNDS, LEASES, until_quiet
from tests.proof.kills.points import BACKEND, POSTMASTER, SERVER, WORKER
from tests.support.folders import short_folder
from tests.support.node import service_on
from tests.support.postgres import execute

WORKERS: Final = 2
"""Of each server."""

DURING_S: Final = 30.0
_BLOWS: Final = {Blow.WORKER: WORKER, Blow.KILL: SERVER, Blow.BACKEND: BACKEND, Blow.POSTMASTER: POSTMASTER}


def blows_of(seed: int) -> list[Fault]:
    """Who is killed when: mostly workers."""
    dice = random.Random(f"served {seed}")
    found = []
    for _ in range(20):
        what = dice.choice((*[Blow.WORKER] * 12, *[Blow.KILL] * 3, *[Blow.BACKEND] * 3, Blow.POSTMASTER))
        where = "postgres-itself" if what in {Blow.BACKEND, Blow.POSTMASTER} else f"node-{dice.randrange(NODES)}"
        found.append(Fault(dice.uniform(1.0, DURING_S - 2), dice.uniform(0.0, 0.5), where, what))
    found += [Fault(DURING_S - 1, 0.0, f"node-{node}", Blow.WORKER) for node in range(NODES)]
    return sorted(found, key=lambda fault: fault.at_s)


async def served(server: EmbeddedPostgres, seed: int) -> tuple[History, Counter[str]]:
    """What clients saw, and what was killed. In the end all is killed, and its leases are let run out."""
    blows = blows_of(seed)
    hits = Counter(_BLOWS[Blow(blow.what)] for blow in blows)
    with short_folder() as folder:
        async with installed(server, folder, workers=WORKERS) as made:
            events = await under_faults(made, seed, blows, DURING_S)
            await asyncio.gather(*(node.end() for node in made.nodes))
            hits[SERVER] += len(made.nodes)
            await until_quiet(made.dsn)
            await execute(made.dsn, *LEASES)
            unhealed = await _healed(made)
            ending = await looked_at(made, events, NAMES, unhealed, decryption_keys=(NEW,))
    # One client's next question may go to another worker, which learns of changes as another node does.
    apart = tuple(replace(event, node=place) for place, event in enumerate(events))
    return History(events=apart, ending=ending, bounds=BOUNDS), hits


async def _healed(made: Installation) -> list[str]:
    unhealed: list[str] = []
    for node in made.nodes:  # in the folder of each, where records of the dead may wait
        async with service_on(made.dsn, node.folder, made.vault, background=True, decryption_keys=(NEW,)):
            unhealed += await caught_up(partial(_left, made, node.folder.name), time.monotonic() + HEAL_S)
    return unhealed


async def _left(made: Installation, folder: str) -> list[str]:
    logs = (made.folder / folder / "audit").glob("*.log")
    return [*await waiting_in(made.dsn), *(f"{folder}/{file.name} waits" for file in logs)]
