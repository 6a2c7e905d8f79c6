"""``make matrix``: every cell on real processes, with a line for each fault in a file that stays."""

import argparse
import asyncio
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from holdfast.embedded.postgres import EmbeddedPostgres
from tests.proof.history import installation
from tests.proof.history.__main__ import postgres
from tests.proof.history.installation import Installation, installed
from tests.proof.history.verdicts import commit_of
from tests.proof.matrix.cells import ALL_FAULTS, Fault
from tests.proof.matrix.results import Result, Results, result_of, summary
from tests.proof.matrix.trial import tried
from tests.support.folders import short_folder

WITHIN_S: Final = 1800.0
ONE_S: Final = 400.0
"""Longer than a fault takes on a machine that is busy with other things."""

SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **installation.SETTINGS,
        "HOLDFAST_GRANT_LEASE": "30",
        "HOLDFAST_READ_PATIENCE_MS": "3000",
        "HOLDFAST_SYNC_INTERVAL": "300",
    }
)
"""As in histories, but with a lease that outlives the asking, a patience that a busy machine does not end, and no
comparison with Key Vault at the moment that would confirm what is read."""


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(prog="make matrix", description=__doc__)
    parser.add_argument("--faults", default="", metavar="TEXT", help="only those whose names have this in them")
    parser.add_argument("--within", type=float, default=WITHIN_S, metavar="SECONDS")
    return parser.parse_args(given)


async def try_all(faults: Iterable[Fault], within_s: float, results: Results) -> list[Result]:
    """Try the faults that have not held on this commit yet, until the time is up."""
    commit, end, found = commit_of(), time.monotonic() + within_s, list[Result]()
    settled = results.settled(commit)
    left = deque(fault for fault in faults if fault.slug not in settled)
    async with postgres() as server:
        while left and time.monotonic() < end:
            await server.start()
            async for result in _on_one_installation(left, end, commit, server):
                found.append(result)
                results.add(result)
                print(result.line, flush=True)
    return found


async def _on_one_installation(
    left: "deque[Fault]", end: float, commit: str, server: EmbeddedPostgres
) -> AsyncIterator[Result]:
    """Try one fault after another, up to one after which not all was well: none suffers from another."""
    with short_folder() as folder:
        async with installed(server, folder, SETTINGS) as made:
            while left and time.monotonic() < end:
                result = await _tried(left.popleft(), commit, made)
                yield result
                if not result.well:
                    return


async def _tried(fault: Fault, commit: str, made: Installation) -> Result:
    began = time.monotonic()
    try:
        async with asyncio.timeout(ONE_S):
            return result_of(await tried(made, fault), commit, time.monotonic() - began)
    except Exception as error:
        # What ailed the trial is no result, and no reason to leave out the other faults.
        return Result(fault=fault.slug, commit=commit, took_s=round(time.monotonic() - began, 1), why=repr(error))


if __name__ == "__main__":
    asked = arguments()
    kept = Results()
    wanted = [fault for fault in ALL_FAULTS if asked.faults in fault.slug]
    done = asyncio.run(try_all(wanted, asked.within, kept))
    print(f"{summary(kept.of(commit_of()))}\nAll results: {kept.file}", flush=True)
    sys.exit(any(not each.well for each in done))
