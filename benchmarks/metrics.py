"""``python -m benchmarks.metrics``: the structure of the source, and what a request costs inside.

``--against FOLDER``: another checkout, installed with ``make install``. Its journeys and ours are measured in turn, so
that what the machine does meanwhile meets both.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.structure import counted

_HERE = Path(__file__).parent.parent


def main(arguments: Sequence[str]) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.metrics", description=__doc__)
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="another checkout, to compare with")
    parser.add_argument("--rounds", type=int, default=3, help="how often each journey is measured")
    parser.add_argument("--json", action="store_true", help="write one JSON document")
    given = parser.parse_args(arguments)
    places = [_HERE] if given.against is None else [given.against.resolve(), _HERE]
    structure = [counted(place) for place in places]
    runs: list[list[dict[str, Any]]] = [[] for _ in places]
    for number in range(given.rounds):
        for index in _order(len(places), number):
            runs[index].append(_journeys(places[index]))
    journeys = [_medians(each) for each in runs]
    if given.json:
        print(json.dumps([{"structure": one, "journeys": two} for one, two in zip(structure, journeys, strict=True)]))
        return
    _show(structure)
    for figure in ("calls", "modules", "packages", "cpu_us"):
        print()
        _show([{f"{figure}: {name}": cost[figure] for name, cost in each.items()} for each in journeys])


def _order(count: int, number: int) -> Sequence[int]:
    return range(count) if number % 2 == 0 else range(count - 1, -1, -1)


def _journeys(place: Path) -> dict[str, Any]:
    command = [str(place / ".venv" / "bin" / "python"), "-m", "benchmarks.journeys"]
    done = subprocess.run(command, cwd=place, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _medians(runs: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    first = runs[0]
    return {
        name: {figure: statistics.median(run[name][figure] for run in runs) for figure in first[name]} for name in first
    }


def _show(columns: Sequence[dict[str, float]]) -> None:
    """A line for each figure; with two columns, the ratio of the second to the first too."""
    for name in columns[0]:
        values = [column[name] for column in columns]
        ratio = f"{values[1] / values[0]:>8.2f}" if len(values) == 2 and values[0] else ""
        print(f"{name:<44}", *(f"{value:>10,.10g}" for value in values), ratio)


if __name__ == "__main__":
    main(sys.argv[1:])
