"""``python -m benchmarks``: measure, and print ratios."""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import uvloop

from benchmarks import crowd, histories, library, locks, mirroring, outage, room, rotating, scanning, server, tracing
from benchmarks.machine import facts
from benchmarks.measuring import Comparison
from benchmarks.processes import Server
from benchmarks.run import FULL_SYNC, SMOKE, Run, Size
from benchmarks.stage import Vault, make_vault, serving, staged
from benchmarks.work import value_of

PARTS: dict[str, Callable[[Run, Vault, Server], Awaitable[None]]] = {
    "server": server.measure,
    "library": library.measure,
    "tracing": tracing.measure,
    "outage": outage.measure,
    "mirroring": mirroring.measure,
    "histories": histories.measure,
    "rotating": rotating.measure,
    "crowd": crowd.measure,
    "scanning": scanning.measure,
    "locks": locks.measure,
    "room": room.measure,
}
_COLUMNS = ("WHAT", "AGAINST", "RATIO", "LEAST", "MOST", "OURS/S", "THEIRS/S")


def main(arguments: Sequence[str]) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"what to measure, all by default: {', '.join(PARTS)}")
    parser.add_argument("--smoke", action="store_true", help="the smallest size: shows that everything works")
    parser.add_argument(
        "--full", action="store_true", help=f"mirror up to {FULL_SYNC[1]:,} secrets, which takes minutes"
    )
    parser.add_argument("--rounds", type=int, help="rounds of each side")
    parser.add_argument("--json", action="store_true", help="write one JSON document")
    given = parser.parse_args(arguments)
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(unknown)}: choose from {', '.join(PARTS)}")
    size = SMOKE if given.smoke else Size()
    size = replace(size, synced=FULL_SYNC if given.full else size.synced, rounds=given.rounds or size.rounds)
    # A short path for sockets, which PostgreSQL's account may pass.
    folder = Path(tempfile.mkdtemp(prefix="hf-", dir="/tmp"))
    folder.chmod(0o711)
    try:
        before = facts(folder)
        run = uvloop.run(_measured(folder, size, given.parts or PARTS))
    finally:
        shutil.rmtree(folder)
    print(json.dumps(_document(before, run)) if given.json else _table(before, run))


async def _measured(folder: Path, size: Size, parts: Collection[str]) -> Run:
    async with staged(folder) as stage:
        run = Run(stage, size, lambda text: print(text, file=sys.stderr, flush=True))
        values = {f"secret-{n:03}": value_of(f"value {n}") for n in range(size.secrets)}
        vault = await make_vault(stage, "vault", values)
        async with serving(vault) as one:
            for name, measure in PARTS.items():
                if name in parts:
                    await measure(run, vault, one)
        return run


def _document(machine: list[str], run: Run) -> dict[str, object]:
    results = [{**asdict(each), "ratio": each.ratio, "ratios": each.ratios} for each in run.results]
    return {"machine": machine, "notes": run.notes, "results": results}


def _table(machine: list[str], run: Run) -> str:
    rows = [_COLUMNS, *map(_row, run.results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    legend = (
        f"Median, least and most of the ratios of {run.size.rounds} alternating rounds; rates tell of this machine."
    )
    return "\n".join([*lines, "", *run.notes, legend, *machine])


def _row(result: Comparison) -> tuple[str, ...]:
    ratios = (result.ratio, min(result.ratios), max(result.ratios))
    rates = (f"{rate:,.0f}" for rate in result.typical)
    return (result.scenario, result.against, *(f"{ratio:.3g}" for ratio in ratios), *rates)


if __name__ == "__main__":
    main(sys.argv[1:])
