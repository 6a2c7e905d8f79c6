"""``make fuzz``: every target for a while, each from where it was left; how often it ran and what it reached."""

import argparse
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Final

import atheris

with redirect_stderr(StringIO()), atheris.instrument_imports(include=["holdfast"]):  # it tells of every module
    from tests.fuzz.seeds import folder_of, seeds
    from tests.fuzz.table import TARGETS

ROOT: Final = Path(__file__).parents[2]
GROWN: Final = ROOT / ".proof" / "fuzz"
"""What reached something new, of all runs. It is not kept in the repository: findings are."""

MEMORY_MB: Final = 1500
ONE_RUN_S: Final = 120
"""Seconds for one input, however busy the machine, after which it is a finding."""

_SEEN: Final = re.compile(r"cov: (\d+) ft: \d+ corp: \d+/")
_RUNS: Final = re.compile(r"number_of_executed_units: (\d+)")


@dataclass(frozen=True, slots=True)
class Fuzzing:
    """A target that is being fuzzed: in which process, and where it writes what."""

    name: str
    process: int
    log: Path
    found: Path
    before: frozenset[Path]

    def outcome(self, code: int) -> tuple[str, list[Path]]:
        """The row of the table, and the files of findings.

        Raises:
            RuntimeError: it ended with a failure, and nothing was found.
        """
        said = self.log.read_text(errors="replace")
        seen, runs = _SEEN.findall(said), _RUNS.search(said)
        findings = sorted(set(self.found.iterdir()) - self.before)
        if code and not findings:
            raise RuntimeError(f"{self.name} was not fuzzed: {said[-2000:]}")
        executions, reached = int(runs[1]) if runs else 0, int(seen[-1]) if seen else 0
        return f"| {self.name} | {executions:,} | {reached:,} | {len(findings) or 'nothing'} |", findings


def begin(name: str, seconds: int) -> Fuzzing:
    """Fuzz a target in a copy of this process, until the time is up or something is found."""
    grown, found = GROWN / folder_of(name).name, GROWN / "found" / folder_of(name).name
    for each in (grown, found):
        each.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name)):
        (grown / f"seed-{number}").write_bytes(seed)
    log, before = found.with_suffix(".log"), frozenset(found.iterdir())
    process = os.fork()
    if process == 0:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        _fuzz(name, str(grown), seconds, found)
    return Fuzzing(name, process, log, found, before)


def _fuzz(name: str, grown: str, seconds: int, found: Path) -> None:
    options = [
        *(f"-max_total_time={seconds}", "-max_len=8192", "-print_final_stats=1", f"-artifact_prefix={found}/"),
        *(f"-timeout={ONE_RUN_S}", f"-report_slow_units={ONE_RUN_S}", f"-rss_limit_mb={MEMORY_MB}"),
    ]
    atheris.Setup([sys.argv[0], grown, *options], TARGETS[name])
    atheris.Fuzz()


def fuzzed(names: Sequence[str], seconds: int, processes: int) -> Iterator[tuple[Fuzzing, int]]:
    """Fuzz targets, a few at a time; gives each that has ended, with its exit code."""
    waiting, running = list(names), dict[int, Fuzzing]()
    while waiting or running:
        while waiting and len(running) < processes:
            started = begin(waiting.pop(0), seconds)
            running[started.process] = started
        process, status = os.wait()
        if process in running:
            yield running.pop(process), os.waitstatus_to_exitcode(status)


def main() -> int:
    """Returns 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="for each target")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", default="", help="targets whose name fits this expression")
    asked = parser.parse_args()
    failed, began = False, time.monotonic()
    print("| target | executions | reached | found |\n|---|---|---|---|", flush=True)
    for ended, code in fuzzed(
        [name for name in TARGETS if re.search(asked.only, name)], asked.seconds, asked.processes
    ):
        row, findings = ended.outcome(code)
        print(row, flush=True)
        for each in findings:
            failed = True
            print(f"{ended.log.read_text(errors='replace')[-4000:]}\nKept: {each}", flush=True)
    print(f"{time.monotonic() - began:.0f} s")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
