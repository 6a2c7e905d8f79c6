"""``make kills``: processes under load are killed until there are enough, with a verdict for each installation."""

import argparse
import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack

from tests.proof.history.__main__ import postgres
from tests.proof.history.verdicts import FOLDER, Judged, Verdicts, commit_of, went_well
from tests.proof.kills.loop import Loop, lacking, tallied
from tests.support.folders import of_this_process
from tests.support.warden import warden


def summary(found: Sequence[Judged]) -> str:
    """All verdicts of a commit in a few lines, with how often each point was hit."""
    hits = tallied(found)
    operations = sum((Counter(each.operations) for each in found), Counter[str]())
    verdicts = Counter(each.verdict.value for each in found)
    acknowledged = sum(count for what, count in operations.items() if what.endswith(" ok"))
    told = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    return "\n".join(
        [
            *(f"{count:6} {point}" for point, count in sorted(hits.items())),
            f"{hits.total()} kills in {len(found)} installations: {told}.",
            f"{operations.total()} operations, {acknowledged} of them acknowledged.",
            *([f"Hit too seldom: {', '.join(lacking(hits))}."] if lacking(hits) else []),
        ]
    )


async def main(kills: int, within_s: float, at_once: int) -> bool:
    """Whether nothing failed."""
    verdicts, commit = Verdicts(name="kills"), commit_of()
    loop = Loop(kills, within_s, commit, verdicts)
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(postgres()) for _ in range(at_once)]
        await asyncio.gather(*map(loop.run, servers))
    all_of_it = loop.mine if commit.endswith("+") else [each for each in verdicts.all() if each.commit == commit]
    print(f"{summary(all_of_it)}\nAll verdicts: {FOLDER}", flush=True)
    return went_well(loop.mine)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--within", type=float, default=1800.0, metavar="SECONDS")
    parser.add_argument("--at-once", type=int, default=2, metavar="INSTALLATIONS")
    asked = parser.parse_args()
    for each in (signal.SIGINT, signal.SIGTERM):  # also where it was started in the background
        signal.signal(each, signal.default_int_handler)
    with warden(of_this_process()):
        sys.exit(not asyncio.run(main(asked.kills, asked.within, asked.at_once)))
