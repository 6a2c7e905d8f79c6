"""The expected outcomes as the rows of a table; faults that come to the same share a row."""

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from tests.proof.matrix.cells import FAULTS, Cell, Fault, Op, Outcome, Part, Start, asked_of
from tests.proof.matrix.expecting import expected

COLUMNS: Final = ("what goes wrong", "node", *Op)
_ORDER: Final = tuple(Outcome)


def rows() -> Iterator[tuple[str, ...]]:
    """Part with faults, node, and what is expected of each operation."""
    for part, ills in FAULTS.items():
        for start in Start:
            faults = sorted((Fault(part, ill) for ill in ills), key=lambda fault: _cells(fault, start))
            grouped = {cells: list(same) for cells, same in groupby(faults, key=lambda fault: _cells(fault, start))}
            in_order = sorted(grouped.items(), key=lambda item: min(ills.index(fault.ill) for fault in item[1]))
            for cells, same in in_order:
                yield (_named(part, same), start.value, *cells)


def _named(part: Part, faults: list[Fault]) -> str:
    ills = [ill for ill in FAULTS[part] if ill in {fault.ill for fault in faults}]
    return f"{part}: {', '.join(ills)}"


def _cells(fault: Fault, start: Start) -> tuple[str, ...]:
    asked = asked_of(start)
    return tuple(_worded(expected(Cell(fault, start, op))) if op in asked else "-" for op in Op)


def _worded(outcomes: frozenset[Outcome]) -> str:
    return " or ".join(outcome.value for outcome in _ORDER if outcome in outcomes)
