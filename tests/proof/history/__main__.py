"""The second half of ``make proof``: histories of real processes under the faults of each seed, for a bounded time."""

import asyncio
import sys
import time
import traceback
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from holdfast.embedded.postgres import EmbeddedPostgres
from tests.proof.__main__ import arguments
from tests.proof.history.checking import check
from tests.proof.history.faults import faults_of
from tests.proof.history.trial import history_of
from tests.proof.history.verdicts import FOLDER, Judged, Verdicts, commit_of, judged, summary, went_well
from tests.proof.trials import Verdict
from tests.support.folders import short_folder
from tests.support.postgres import make_template

ONE_S = 400.0
"""Longer than a seed takes on a machine that is busy with other things."""


@asynccontextmanager
async def postgres() -> AsyncIterator[EmbeddedPostgres]:
    """A PostgreSQL that a history may kill."""
    with short_folder() as folder:
        server = EmbeddedPostgres(folder / "data")
        try:
            await make_template(await server.start())
            yield server
        finally:
            await server.stop()


async def try_all(seeds: Iterable[int], within_s: float, verdicts: Verdicts) -> list[Judged]:
    """Try the seeds that have no verdict on this commit yet, until the time is up."""
    commit, end, found = commit_of(), time.monotonic() + within_s, list[Judged]()
    settled = verdicts.settled(commit)
    async with postgres() as server:
        for seed in (each for each in seeds if each not in settled):
            if time.monotonic() > end:
                break
            await server.start()  # a seed that was given up may have left it dead
            found.append(await _tried(seed, commit, server, verdicts))
            last = found[-1]
            print(f"history {seed}: {last.verdict.value} ({last.took_s:.0f} s)", flush=True)
            for violation in last.violations:
                print(f"  {violation.promise} {violation.text}", flush=True)
    return found


async def _tried(seed: int, commit: str, server: EmbeddedPostgres, verdicts: Verdicts) -> Judged:
    began = time.monotonic()
    with TemporaryDirectory() as logs:
        return await _judged(seed, commit, server, verdicts, began, Path(logs))


async def _judged(
    seed: int, commit: str, server: EmbeddedPostgres, verdicts: Verdicts, began: float, logs: Path
) -> Judged:
    try:
        async with asyncio.timeout(ONE_S):
            history = await history_of(seed, server, logs=logs)
    except Exception as error:
        # What ailed the trial is no verdict on the product, and no reason to leave out the other seeds.
        why = "".join(traceback.format_exception(error))
        found = Judged(seed=seed, commit=commit, verdict=Verdict.UNFINISHED, took_s=time.monotonic() - began, why=why)
        print(f"  {error!r}", flush=True)
    else:
        found = judged(seed, commit, time.monotonic() - began, history, faults_of(seed), check(history))
        if found.violations:
            for file in verdicts.keep(found, history, logs):
                print(f"  kept in {file}", flush=True)
    verdicts.add(found)
    return found


if __name__ == "__main__":
    asked = arguments()
    kept = Verdicts()
    tried = asyncio.run(try_all(asked.seeds, asked.within, kept))
    print(f"{summary(kept.all())}\nAll verdicts: {FOLDER}", flush=True)
    sys.exit(not went_well(tried))
