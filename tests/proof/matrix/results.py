"""What came of each fault, in a file that stays, and a summary that a person can read."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from tests.proof.history.verdicts import FOLDER, lines_of
from tests.proof.matrix.cells import ALL_FAULTS, Cell, Start, cells
from tests.proof.matrix.expecting import expected
from tests.proof.matrix.trial import Tried

CELLS: Final = len(list(cells()))


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a fault on a commit. ``why``: for what reason it was not tried to the end, if so."""

    fault: str
    commit: str
    took_s: float
    outcomes: dict[str, dict[str, str]] = {}
    violations: tuple[str, ...] = ()
    slowest_s: float = 0.0
    healed_s: float = 0.0
    why: str = ""

    @property
    def well(self) -> bool:
        """Whether all came as expected."""
        return not self.violations and not self.why

    @property
    def count(self) -> int:
        """How many cells have an outcome."""
        return sum(map(len, self.outcomes.values()))

    @property
    def line(self) -> str:
        """What there is to say of it."""
        how = self.why or (f"{self.count} cells as expected" if self.well else f"{len(self.violations)} VIOLATIONS")
        figures = f"slowest answer {self.slowest_s:.1f} s, healed in {self.healed_s:.1f} s, {self.took_s:.0f} s in all"
        return "\n  ".join([f"{self.fault}: {how} ({figures})", *self.violations])


def result_of(found: Tried, commit: str, took_s: float) -> Result:
    """What was found, held against what is expected."""
    return Result(
        fault=found.fault.slug,
        commit=commit,
        took_s=round(took_s, 1),
        outcomes={
            start.value: {op.value: outcome.value for op, outcome in told.items()}
            for start, told in found.outcomes.items()
        },
        violations=(*found.violations, *unexpected(found)),
        slowest_s=round(found.slowest_s, 1),
        healed_s=round(found.healed_s, 1),
    )


def unexpected(found: Tried) -> list[str]:
    """The cells whose outcome is not among those expected."""
    return [
        f"{start}: {op} is {outcome}, and not {' or '.join(sorted(wanted))}"
        for start in Start
        for op, outcome in found.outcomes.get(start, {}).items()
        if outcome not in (wanted := expected(Cell(found.fault, start, op)))
    ]


class Results:
    """The file of all results, a line of JSON each."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.file = folder / "matrix.jsonl"

    def all(self) -> list[Result]:
        """Every result, oldest first."""
        return list(lines_of(self.file, Result))

    def of(self, commit: str) -> list[Result]:
        """The last result of each fault on a commit."""
        return list({each.fault: each for each in self.all() if each.commit == commit}.values())

    def settled(self, commit: str) -> set[str]:
        """The faults that held on this commit; one with changes on top of it is not the same twice."""
        return set() if commit.endswith("+") else {each.fault for each in self.of(commit) if each.well}

    def add(self, result: Result) -> None:
        """Append a result."""
        self.file.parent.mkdir(exist_ok=True)
        with self.file.open("ab") as file:
            file.write(msgspec.json.encode(result) + b"\n")


def summary(results: Sequence[Result]) -> str:
    """All of them in a few lines."""
    tried = sum(each.count for each in results)
    outcomes = Counter(word for each in results for told in each.outcomes.values() for word in told.values())
    wrong = [each.fault for each in results if not each.well]
    counted = ", ".join(f"{count} {word}" for word, count in outcomes.most_common())
    lines = [
        f"{len(results)} of {len(ALL_FAULTS)} faults, {tried} of {CELLS} cells: {counted}.",
        f"Not as expected: {', '.join(wrong)}." if wrong else "All as expected.",
    ]
    if results:
        lines.append(
            f"Slowest answer {max(each.slowest_s for each in results):.1f} s, "
            f"longest healing {max(each.healed_s for each in results):.1f} s."
        )
    return "\n".join(lines)
