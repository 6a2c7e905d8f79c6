"""``make mutants``: change one place of the core at a time, and see that a test notices."""

import argparse
import hashlib
import json
import os
import signal
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

import pytest

from tests.proof.mutation.covering import PURE, ROOT, Lines, covering, in_a_child, measure
from tests.proof.mutation.trying import UNCHANGED, Collected, Fresh, Mutant, Verdict, mutants, verdict

KEPT: Final = ROOT / ".proof"
VERDICTS: Final = KEPT / "mutants.jsonl"
EQUIVALENT: Final = Path(__file__).with_name("equivalent.toml")
"""Mutants that do the same as the code, or that do not matter, with the reason."""

SERVED: Final = {
    "src/holdfast/stores/postgres/journal.py": ["tests/integration/test_journal.py"],
}
"""Modules that only tests with a server run."""

FILES: Final = (
    *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("src/holdfast/domain/*.py"))),
    *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("src/holdfast/crypto/*.py"))),
    "src/holdfast/resilience/breaker.py",
    "src/holdfast/service/access/guard.py",
    "src/holdfast/service/access/passage.py",
    "src/holdfast/service/audit/sequencer.py",
    *SERVED,
)
MOST_TESTS: Final = 25
"""Tests that a mutant is tried with, the most particular ones first."""
CONTROLS: Final = 4
PATIENCE_S: Final = 600.0
"""Seconds for one mutant, on a machine however busy."""


class Tries(Protocol):
    """A way to try a mutant."""

    def begin(self, mutant: Mutant, tests: Sequence[str]) -> int:
        """Start to; returns the process."""


def explained() -> dict[str, dict[str, str]]:
    """For each file, the mutants that may survive, and why."""
    return tomllib.loads(EQUIVALENT.read_text())


def tests_of(mutant: Mutant, lines: Lines) -> list[str]:
    """The tests that run a mutant's line. What is only run by an import is tried with all tests of the module."""
    own = lines[mutant.file]
    found = own.get(mutant.line) or list(dict.fromkeys(test for tests in own.values() for test in tests))
    return found[:MOST_TESTS]


def known(every: Sequence[Mutant]) -> dict[Mutant, Verdict]:
    """The last verdict on each mutant of a file as it is now."""
    lines = VERDICTS.read_text().splitlines() if VERDICTS.exists() else []
    read = {(each["file"], each["key"], each["digest"]): each["verdict"] for each in map(json.loads, lines)}
    found = {each: read.get((each.file, each.key, each.digest)) for each in every}
    return {mutant: Verdict(said) for mutant, said in found.items() if said}


def try_all(
    way: Tries, queue: Iterable[Mutant], lines: Lines, asked: argparse.Namespace
) -> Iterator[tuple[Mutant, Verdict]]:
    """Try mutants, a few at a time, until the time is up."""
    waiting = iter(queue)
    running: dict[int, tuple[Mutant, float]] = {}
    while True:
        while len(running) < asked.processes and time.monotonic() < asked.end and (mutant := next(waiting, None)):
            running[way.begin(mutant, tests_of(mutant, lines))] = mutant, time.monotonic()
        if not running:
            return
        child, status = os.waitpid(-1, os.WNOHANG)
        if child:
            yield running.pop(child)[0], verdict(status)
            continue
        for late, (_, began) in running.items():
            if time.monotonic() - began > PATIENCE_S:
                os.killpg(late, signal.SIGKILL)
        time.sleep(0.01)


def run(way: Tries, due: Sequence[Mutant], lines: Lines, asked: argparse.Namespace) -> None:
    """Try mutants, those of files whose tests pass as things are; each verdict is kept at once."""
    if any(found is not Verdict.SURVIVES for _, found in try_all(way, _controls(due), lines, asked)):
        sys.exit("Tests fail without any change, so they say nothing about mutants.")
    with VERDICTS.open("a") as kept:
        for mutant, found in try_all(way, due, lines, asked):
            said = {"file": mutant.file, "key": mutant.key, "digest": mutant.digest, "verdict": found}
            kept.write(json.dumps(said) + "\n")
            kept.flush()


def _controls(due: Sequence[Mutant]) -> list[Mutant]:
    """The files as they are: what was measured has passed, so a look at some shows that this way of trying works."""
    return [replace(each, number=UNCHANGED) for each in due[:CONTROLS]]


def summary(every: Sequence[Mutant], verdicts: Mapping[Mutant, Verdict]) -> str:
    """A line for each part."""
    why = explained()
    told = ["| part | mutants | killed | explained | survive | not tried |", "|---|---|---|---|---|---|"]
    parts: dict[str, Counter[str]] = {}
    for each in every:
        found = verdicts.get(each)
        if found is not Verdict.STILLBORN:
            path = Path(each.file.removeprefix("src/holdfast/"))
            part = path.parts[0] if path.parts[0] in ("domain", "crypto") else str(path)
            parts.setdefault(part, Counter())[_column(found, each.key in why.get(each.file, {}))] += 1
    parts["all"] = sum(parts.values(), Counter())
    return "\n".join([*told, *(_row(part, counted) for part, counted in parts.items())])


def _column(found: Verdict | None, is_explained: bool) -> str:
    if found is Verdict.SURVIVES:
        return "explained" if is_explained else "survive"
    return "not tried" if found in (None, Verdict.AT_IMPORT) else "killed"


def _row(name: str, counted: Counter[str]) -> str:
    columns = ("killed", "explained", "survive", "not tried")
    return f"| {name} | {counted.total()} | {' | '.join(str(counted[each]) for each in columns)} |"


def survivors(every: Sequence[Mutant], verdicts: Mapping[Mutant, Verdict]) -> list[Mutant]:
    """Those that no one has explained."""
    why = explained()
    return [each for each in every if verdicts.get(each) is Verdict.SURVIVES and each.key not in why.get(each.file, {})]


def measured(again: bool) -> Lines:
    """Which tests run which lines; measured once, and again when it is asked for."""
    KEPT.mkdir(exist_ok=True)
    pure, served = KEPT / "covering.json", KEPT / "covering-served.json"
    if again or not pure.exists():
        _well(in_a_child(measure, [each for each in FILES if each not in SERVED], list(PURE), pure, servers=False))
    if again or not served.exists():
        tests = [test for tests in SERVED.values() for test in tests]
        _well(in_a_child(measure, list(SERVED), tests, served, servers=True))
    return {**covering(pure), **covering(served)}


def quickly(due: Sequence[Mutant], lines: Lines, asked: argparse.Namespace) -> None:
    """Try mutants of functions, after one collection of the tests."""
    tests = sorted({test.partition("::")[0] for each in due for test in tests_of(each, lines)})
    plugin = Collected(lambda way: run(way, due, lines, asked))
    pytest.main(["-p", "no:terminal", "-o", "addopts=", "-p", "no:cacheprovider", *tests], plugins=[plugin])


def arguments() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--within", type=float, default=3600.0, metavar="SECONDS")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", default="", help="files whose path has this in it")
    parser.add_argument("--measure", action="store_true", help="find out again which tests run which lines")
    parser.add_argument("--survivors", action="store_true", help="try those again that survived")
    asked = parser.parse_args()
    asked.end = time.monotonic() + asked.within
    return asked


def main() -> int:
    """Go on where an earlier run ended, in an order by chance: what is there after an hour is a fair sample."""
    asked = arguments()
    lines = measured(asked.measure)
    every = sorted((mutant for file in FILES for mutant in mutants(file)), key=_by_chance)
    wanted = (None, Verdict.SURVIVES) if asked.survivors else (None,)
    before = known(every)
    due = [each for each in every if asked.only in each.file and before.get(each) in wanted]
    _well(in_a_child(quickly, [each for each in due if each.file not in SERVED], lines, asked))
    between = known(every)
    fresh = [each for each in due if each.file in SERVED or between.get(each) is Verdict.AT_IMPORT]
    fresh += [each for each in every if before.get(each) is Verdict.AT_IMPORT and asked.only in each.file]
    run(Fresh(), fresh, lines, asked)
    after = known(every)
    print(summary(every, after))
    for each in sorted(survivors(every, after), key=lambda mutant: (mutant.file, mutant.line)):
        print(f"{each.file}:{each.line} {each.key}")
    return 1 if survivors(every, after) else 0


def _well(code: int) -> None:
    if code:
        sys.exit(code)


def _by_chance(mutant: Mutant) -> str:
    return hashlib.sha256(f"{mutant.file} {mutant.key}".encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
