"""A test run that is killed leaves no process behind, and one that ends well loses none."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.reference import ROOT

_PATIENCE_S = 30

_RUN = """
import subprocess, sys
from pathlib import Path
from tests.support.warden import warden

short, other = map(Path, sys.argv[1:])
with warden(short, other):
    for mark in (f"{short}one/data", f"{other}/data", f"{other}0/data"):
        own = {"env": {"DATA": mark}, "stdout": subprocess.DEVNULL}
        sleeper = subprocess.Popen(["/bin/sleep", "300"], start_new_session=True, **own)
        sleeper.returncode = 0  # it may outlive us
        print(sleeper.pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """How short folders of the run begin, one of which is there; and its other folder."""
    short = tmp_path / "hf-1-"
    Path(f"{short}one").mkdir()
    return short, tmp_path / "pytest-8"


@contextmanager
def run(places: tuple[Path, Path]) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A run; and descriptors of three processes: two in its folders, and one in that of somebody else."""
    process = subprocess.Popen(
        [sys.executable, "-c", _RUN, *map(str, places)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    sleepers = [os.pidfd_open(int(process.stdout.readline())) for _ in range(3)]
    try:
        yield process, sleepers
    finally:
        for sleeper in sleepers:
            if not ended(sleeper):
                signal.pidfd_send_signal(sleeper, signal.SIGKILL)
            os.close(sleeper)


def ended(sleeper: int, within_s: float = 0) -> bool:
    return bool(select.select([sleeper], [], [], within_s)[0])


def test_what_a_killed_run_started_is_killed_and_nothing_else(places: tuple[Path, Path]) -> None:
    with run(places) as (process, (in_short, in_other, strange)):
        process.kill()
        process.communicate()  # what watches over the run has its output too, and closes it last
        assert ended(in_short, _PATIENCE_S)
        assert ended(in_other, _PATIENCE_S)
        assert not ended(strange)
        assert not Path(f"{places[0]}one").exists()


def test_a_run_that_ends_well_is_not_followed(places: tuple[Path, Path]) -> None:
    with run(places) as (process, sleepers):
        process.communicate()
        assert not any(map(ended, sleepers))
        assert Path(f"{places[0]}one").exists()
