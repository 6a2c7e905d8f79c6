"""Seeds of the simulation, tried one after the other for a bounded time, with verdicts that stay."""

import argparse
import hashlib
import logging
import pickle
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from tests.proof.__main__ import ENOUGH, MAX_SEED, seeds_of
from tests.proof.history.checking import check
from tests.proof.history.verdicts import FOLDER, Judged, Verdicts, commit_of
from tests.proof.simulation.cutting import cut_down
from tests.proof.simulation.fates import CELLS, Kind, Way
from tests.proof.simulation.run import Run, Trial, run
from tests.proof.trials import Verdict

DEFAULT_S: Final = 300.0
NAME: Final = "simulation"


class Simulated(Judged, frozen=True, kw_only=True):
    """The verdict on a seed. ``met``: how often each way befell each kind of wait; ``digest``: of the whole history."""

    met: dict[str, int] = {}  # noqa: RUF012 - msgspec copies it
    digest: str = ""


def main(given: list[str] | None = None) -> int:
    """Try seeds; returns the exit code."""
    asked = _arguments(given)
    logging.disable(logging.CRITICAL)  # outages are what this is about
    if asked.trace:
        served = [run(Trial.of(str(seed), trace=True)).served for seed in asked.seeds]
        Path(asked.trace).write_bytes(pickle.dumps(served))
        return 0
    verdicts = Verdicts(Path(asked.folder), NAME, Simulated)
    found = list(_tried(asked.seeds, asked.within, verdicts, asked))
    print(summary(found), flush=True)
    failed = any(each.verdict is Verdict.FAILS for each in found)
    return int(failed or any(each.verdict is Verdict.UNFINISHED for each in found))


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.proof.simulation")
    first = int(time.time()) % (MAX_SEED - ENOUGH)  # chance is the simulation's
    parser.add_argument("--seeds", type=seeds_of, default=range(first, first + ENOUGH), metavar="A:B")
    parser.add_argument("--within", type=float, default=DEFAULT_S, metavar="SECONDS")
    parser.add_argument("--folder", default=FOLDER, help="where verdicts stay")
    parser.add_argument("--stop", action="store_true", help="end with the first seed that fails")
    parser.add_argument("--whole", action="store_true", help="do not cut down what fails")
    parser.add_argument("--trace", help="keep what PostgreSQL was asked and answered in this file, and judge nothing")
    return parser.parse_args(given)


def _tried(seeds: Iterable[int], within_s: float, verdicts: Verdicts, asked: argparse.Namespace) -> Iterator[Simulated]:
    commit, end = commit_of(), time.perf_counter() + within_s
    settled = verdicts.settled(commit)
    for seed in (each for each in seeds if each not in settled):
        if time.perf_counter() > end:
            return
        yield (verdict := _judged(seed, commit, verdicts, cut=not asked.whole))
        if asked.stop and verdict.verdict is Verdict.FAILS:
            return


def _judged(seed: int, commit: str, verdicts: Verdicts, *, cut: bool) -> Simulated:
    began, trial = time.perf_counter(), Trial.of(str(seed))
    try:
        found = run(trial)
    except Exception as error:  # what ails a trial is no verdict on the product
        traceback.print_exc()
        verdict = Simulated(seed=seed, commit=commit, verdict=Verdict.UNFINISHED, took_s=0.0, why=repr(error))
        verdicts.add(verdict)
        return verdict
    violations = tuple(check(found.history))
    failed = Verdict.FAILS if violations else Verdict.HOLDS
    verdict = Simulated(
        seed=seed,
        commit=commit,
        verdict=Verdict.UNFINISHED if found.errors else failed,
        took_s=round(time.perf_counter() - began, 2),
        operations=dict(Counter(event.outcome.value for event in found.history.events)),
        violations=violations,
        why="; ".join(found.errors),
        met=dict(Counter(cell(site.kind, site.way) for site in found.met)),
        digest=digest(found),
    )
    verdicts.add(verdict)
    if verdict.verdict is not Verdict.HOLDS:
        print(f"simulation {seed}: {verdict.verdict.value} {verdict.why}", flush=True)
    if violations:
        print("\n".join(f"  {each.promise} {each.text}" for each in violations), flush=True)
    if violations and cut:
        kept = verdicts.folder / f"{seed}-{commit}.simulation.txt"
        kept.write_text(cut_down(trial, found))
        print(f"  cut down: {kept}", flush=True)
    return verdict


def digest(found: Run) -> str:
    """Of all that a run was, so that two can be compared."""
    told = msgspec.json.encode([found.history, [list(map(str, site)) for site in found.met]])
    return hashlib.sha256(told).hexdigest()[:16]


def cell(kind: Kind, way: Way) -> str:
    """The name of a cell of the table."""
    return f"{kind.value} / {way.value}"


def summary(found: Iterable[Simulated]) -> str:
    """All verdicts in a few lines, and how often each way befell each kind of wait."""
    every = list(found)
    operations = sum((Counter(each.operations) for each in every), Counter[str]())
    met = sum((Counter(each.met) for each in every), Counter[str]())
    verdicts = Counter(each.verdict.value for each in every)
    return "\n".join(
        [
            f"{len(every)} seeds: {', '.join(f'{count} {what}' for what, count in sorted(verdicts.items()))}.",
            f"{operations.total()} operations, {met.total()} waits that went wrong.",
            table(met),
        ]
    )


def table(met: Mapping[str, int]) -> str:
    """How often each way befell each kind of wait, as a table of Markdown."""
    lines = [["what is waited for", *(way.value for way in Way)], ["---"] * (1 + len(Way))]
    for kind in Kind:
        counts = [f"{met.get(cell(kind, way), 0):,}" if (kind, way) in CELLS else "-" for way in Way]
        lines.append([kind.value, *counts])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
