"""The loop: installations one after another, until enough was killed, and everything often enough."""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from holdfast.embedded.postgres import EmbeddedPostgres
from tests.proof.history.checking import check
from tests.proof.history.events import History
from tests.proof.history.verdicts import Judged, Verdicts
from tests.proof.kills.epoch import Epoch, begun
from tests.proof.kills.points import ANY, SERVER, WORKER, all_points
from tests.proof.kills.served import served
from tests.proof.trials import Verdict
from tests.support.folders import short_folder

ROUNDS: Final = 4
LIVES: Final = 12
"""Of a round."""

LEAST: Final = 10
"""How often everything is hit at least."""

ONE_S: Final = 900.0
_SERVED_EVERY: Final = 5
"""One installation in so many is servers with workers."""


def tallied(found: Iterable[Judged]) -> Counter[str]:
    """How often each point was hit."""
    return Counter(point for each in found for point in each.faults)


def lacking(hits: Counter[str]) -> list[str]:
    """What was not hit often enough yet."""
    return [point for point in all_points() if hits[point] < LEAST]


def chosen(possible: set[str], hits: Counter[str], dice: random.Random) -> list[str]:
    """Where the lives of the next round are to die: half where few have died so far, one anywhere."""
    by_hits = sorted(possible, key=lambda point: (hits[point], dice.random()))
    rare = by_hits[: LIVES // 2]
    others = dice.sample(sorted(possible - set(rare)), LIVES - len(rare) - 1)
    return [*rare, *others, ANY]


async def rounds(epoch: Epoch, hits: Counter[str], count: int) -> None:
    """So many rounds. ``hits``: those of earlier installations."""
    for _ in range(count):
        await epoch.round(chosen(await epoch.possible(), hits + epoch.hits, epoch.dice))


async def _tried(seed: int, server: EmbeddedPostgres, before: Counter[str]) -> tuple[History, Counter[str], list[str]]:
    if seed % _SERVED_EVERY == 0 or {*lacking(before)} in ({WORKER}, {SERVER}, {WORKER, SERVER}):
        history, hits = await served(server, seed)
        return history, hits, []
    with short_folder() as folder:
        async with begun(server, folder, seed) as epoch:
            await rounds(epoch, before, ROUNDS)
            history, wrong = await epoch.ended()
            return history, epoch.hits, wrong


async def tried(seed: int, commit: str, server: EmbeddedPostgres, before: Counter[str], verdicts: Verdicts) -> Judged:
    """One installation, its verdict noted; what ails the trial itself is no verdict on the product."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(ONE_S):
            history, hits, wrong = await _tried(seed, server, before)
    except Exception as error:
        took_s = time.monotonic() - began
        judged = Judged(seed=seed, commit=commit, verdict=Verdict.UNFINISHED, took_s=took_s, why=repr(error))
    else:
        found = tuple(check(history))
        judged = Judged(
            seed=seed,
            commit=commit,
            verdict=Verdict.FAILS if found or wrong else Verdict.HOLDS,
            took_s=round(time.monotonic() - began, 1),
            operations=dict(Counter(f"{event.op} {event.outcome}" for event in history.events)),
            faults=tuple(hits.elements()),
            violations=found,
            why="; ".join(wrong),
        )
        if found:
            verdicts.keep(judged, history)
    verdicts.add(judged)
    return judged


class Loop:
    """Goes on, from what has a verdict on this commit, until ``kills`` were killed or the time is up."""

    def __init__(self, kills: int, within_s: float, commit: str, verdicts: Verdicts) -> None:
        self._kills, self._end, self._commit, self._verdicts = kills, time.monotonic() + within_s, commit, verdicts
        before = [] if commit.endswith("+") else [each for each in verdicts.all() if each.commit == commit]
        self._before, self._seeds = before, itertools.count(max((each.seed for each in before), default=0) + 1)
        self.mine: list[Judged] = []

    async def run(self, server: EmbeddedPostgres) -> None:
        """One installation after another on this server; several may run at the same time, each on its own."""
        while time.monotonic() < self._end:
            hits = tallied([*self._before, *self.mine])
            if hits.total() >= self._kills and not lacking(hits):
                return
            with suppress(Exception):  # one that is there is joined; a seed that was given up may have left it dead
                await server.start()
            judged = await tried(next(self._seeds), self._commit, server, hits, self._verdicts)
            self.mine.append(judged)
            told(judged, tallied([*self._before, *self.mine]).total())


def told(judged: Judged, in_all: int) -> None:
    """A line on one installation, and one for each thing that is wrong."""
    kills = len(judged.faults)
    print(
        f"kills {judged.seed}: {judged.verdict.value} ({kills} kills, {in_all} in all, "
        f"{sum(judged.operations.values())} operations, {judged.took_s:.0f} s) {judged.why}",
        flush=True,
    )
    for violation in judged.violations:
        print(f"  {violation.promise} {violation.text}", flush=True)
