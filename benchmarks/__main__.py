"""``python -m benchmarks``: measure, and print ratios."""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import uvloop

from benchmarks.machine import facts
from benchmarks.measuring import Comparison
from benchmarks.scenarios import FULL_SYNC, SMOKE, Play, Size
from benchmarks.stage import staged

_COLUMNS = ("SCENARIO", "OURS", "PEER OR CEILING", "", "RATIO", "LEAST", "MOST")


def main(arguments: Sequence[str]) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="the smallest size: shows that everything works")
    parser.add_argument("--full", action="store_true", help=f"mirror {FULL_SYNC:,} secrets, which takes minutes")
    parser.add_argument("--rounds", type=int, help="rounds of each side")
    parser.add_argument("--json", action="store_true", help="write one JSON document")
    given = parser.parse_args(arguments)
    size = SMOKE if given.smoke else Size()
    if given.full:
        size = replace(size, synced=FULL_SYNC)
    if given.rounds:
        size = replace(size, rounds=given.rounds)
    # A short path for sockets, which PostgreSQL's account may pass.
    folder = Path(tempfile.mkdtemp(prefix="hf-", dir="/tmp"))
    folder.chmod(0o711)
    try:
        machine = facts(folder)
        results = uvloop.run(_measure(folder, size))
    finally:
        shutil.rmtree(folder)
    print(json.dumps(_document(machine, results)) if given.json else _table(machine, results))


async def _measure(folder: Path, size: Size) -> list[Comparison]:
    async with staged(folder) as stage:
        return await Play(stage, size, lambda text: print(text, file=sys.stderr, flush=True)).run()


def _document(machine: list[str], results: list[Comparison]) -> dict[str, object]:
    return {"machine": machine, "results": [{**asdict(each), "ratios": each.ratios} for each in results]}


def _table(machine: list[str], results: list[Comparison]) -> str:
    rows = [_COLUMNS, *map(_row, results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, "", "Rates per second; ratios of neighbouring rounds, median, least and most.", *machine])


def _row(result: Comparison) -> tuple[str, ...]:
    ours, peer = result.typical
    ratios = (result.ratio, min(result.ratios), max(result.ratios))
    return (result.scenario, f"{ours:,.0f}", result.peer, f"{peer:,.0f}", *(f"{ratio:.3g}" for ratio in ratios))


if __name__ == "__main__":
    main(sys.argv[1:])
