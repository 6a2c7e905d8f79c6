"""Verdicts on seeds in a file that stays, failing histories next to it, and a summary that a person can read."""

import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from holdfast.errors import UNREADABLE
from tests.proof.history.cutting import cut_down
from tests.proof.history.events import History, Violation
from tests.proof.history.faults import Fault
from tests.proof.trials import ROOT, Verdict

T = TypeVar("T")

FOLDER: Final = ROOT / ".proof"
"""Ignored by Git."""

_MOST_SHOWN: Final = 5


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a seed. ``commit`` ends in ``+`` where files were changed since."""

    seed: int
    commit: str
    verdict: Verdict
    took_s: float
    operations: dict[str, int] = {}
    faults: tuple[str, ...] = ()
    violations: tuple[Violation, ...] = ()
    why: str = ""


def judged(
    seed: int, commit: str, took_s: float, history: History, faults: Sequence[Fault], found: Sequence[Violation]
) -> Judged:
    """The verdict on a history in which the checkers found this."""
    return Judged(
        seed=seed,
        commit=commit,
        verdict=Verdict.FAILS if found else Verdict.HOLDS,
        took_s=round(took_s, 1),
        operations=dict(Counter(event.outcome.value for event in history.events)),
        faults=tuple(map(str, faults)),
        violations=tuple(found),
    )


def lines_of(file: Path, shape: type[T]) -> Iterator[T]:
    """What the lines of a file tell; one that was cut by a power cut is passed over, and a missing file has none."""
    for line in file.read_bytes().splitlines() if file.exists() else ():
        with suppress(*UNREADABLE):
            yield msgspec.json.decode(line, type=shape)


class Verdicts:
    """The file of all verdicts, a line of JSON each. ``name``: of the file; ``shape``: of each of them."""

    def __init__(self, folder: Path = FOLDER, name: str = "histories", shape: type[Judged] = Judged) -> None:
        self.folder, self._kind, self._shape = folder, "" if name == "histories" else f"{name}-", shape
        self.file = folder / f"{name}.jsonl"

    def all(self) -> list[Judged]:
        """Every verdict, oldest first."""
        return list(lines_of(self.file, self._shape))

    def settled(self, commit: str) -> set[int]:
        """The seeds that have a verdict on this commit; one with changes on top of it is not the same twice."""
        finished = (each for each in self.all() if each.verdict is not Verdict.UNFINISHED)
        return set() if commit.endswith("+") else {each.seed for each in finished if each.commit == commit}

    def add(self, verdict: Judged) -> None:
        """Append a verdict."""
        self.folder.mkdir(exist_ok=True)
        with self.file.open("ab") as file:
            file.write(msgspec.json.encode(verdict) + b"\n")

    def keep(self, verdict: Judged, history: History, logs: Path | None = None) -> list[Path]:
        """Keep a failing history, whole and cut down: the verdict, the ending, and a line for each operation.

        ``logs``: a folder with those of its nodes, which are kept, too.
        """
        parts = {"whole": history, "cut": cut_down(history, verdict.violations[0])}
        files = []
        for part, told in parts.items():
            files.append(self.folder / f"{self._kind}{verdict.seed}-{verdict.commit}.{part}.jsonl")
            lines: list[object] = [verdict, told.ending if part == "whole" else told.bounds, *told.events]
            files[-1].write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
        for log in sorted(logs.iterdir()) if logs is not None else ():
            files.append(self.folder / log.name)
            files[-1].write_bytes(log.read_bytes())
        return files


def went_well(tried: Iterable[Judged]) -> bool:
    """Whether nothing failed, and something held unless all was settled before: unfinished runs show nothing."""
    found = {each.verdict for each in tried}
    return Verdict.FAILS not in found and found != {Verdict.UNFINISHED}


def summary(verdicts: Iterable[Judged]) -> str:
    """All verdicts in a few lines."""
    every = list(verdicts)
    by_verdict = Counter(each.verdict.value for each in every)
    operations = sum((Counter(each.operations) for each in every), Counter[str]())
    kinds = Counter(fault.split(": ", 1)[1].split(" for ")[0] for each in every for fault in each.faults)
    broken = Counter(violation.promise for each in every for violation in each.violations)
    lines = [
        f"{len(every)} runs of {len({each.seed for each in every})} seeds: {_listed(by_verdict)}.",
        f"{operations.total()} operations: {_listed(operations)}.",
        f"{kinds.total()} faults, of {len(kinds)} kinds.",
        f"Violations: {_listed(broken)}." if broken else "No violation.",
    ]
    failing = [each for each in every if each.verdict is Verdict.FAILS]
    lines += [f"seed {each.seed} on {each.commit}: {each.violations[0].text}" for each in failing[-_MOST_SHOWN:]]
    return "\n".join(lines)


def _listed(counts: "Counter[str] | dict[str, int]") -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))


def commit_of(root: Path = ROOT) -> str:
    """The commit that is tried, shortened."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    return said.stdout.strip() or "unknown"
