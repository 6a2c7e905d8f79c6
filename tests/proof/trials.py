"""One trial: all stateful models with the examples of one seed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
MODELS: Final = "tests/**/test_*model.py"
"""A file of this name is a stateful model, and so part of the proof."""

_FAREWELL_S: Final = 60.0
"""For the models' own servers to be stopped, once time is up."""


class Verdict(Enum):
    """What came of a trial."""

    HOLDS = "holds"
    FAILS = "FAILS"
    UNFINISHED = "not finished"


@dataclass(frozen=True, slots=True)
class Trial:
    """A seed, its verdict, how many seconds it took, and what the tests said."""

    seed: int
    verdict: Verdict
    took_s: float
    said: str = ""


def models() -> list[str]:
    """The files of all stateful models, relative to the project."""
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(MODELS))


def command(seed: int) -> list[str]:
    """What tries the models with a seed; by hand, under ``HOLDFAST_EXAMPLES=random``, it does the same again."""
    return [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--hypothesis-seed={seed}", *models()]


def tried(seed: int, within_s: float) -> Trial:
    """Try one seed. What does not end within the time is told to stop, and is no verdict on the models."""
    began = time.monotonic()
    process = subprocess.Popen(
        command(seed),
        cwd=ROOT,
        env={**os.environ, "HOLDFAST_EXAMPLES": "random"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=within_s)
        verdict = Verdict.HOLDS if process.returncode == 0 else Verdict.FAILS
    except subprocess.TimeoutExpired:
        said, verdict = stopped(process), Verdict.UNFINISHED
    return Trial(seed, verdict, time.monotonic() - began, said)


def trials(seeds: Iterable[int], within_s: float, attempt: Callable[[int, float], Trial] = tried) -> Iterator[Trial]:
    """Try seeds one after another until the time is up; those that no time is left for are left out."""
    end = time.monotonic() + within_s
    for seed in seeds:
        left_s = end - time.monotonic()
        if left_s <= 0:
            return
        yield attempt(seed, left_s)


def stopped(process: "subprocess.Popen[str]", patience_s: float = _FAREWELL_S) -> str:
    """Tell a process to stop, kill it if it does not, and return what it has said.

    A server that it started may have a session of its own and hold the output open: that is not waited for.
    """
    process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=patience_s)[0]
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    with process:  # closes the output
        try:
            return process.communicate(timeout=patience_s)[0]
        except subprocess.TimeoutExpired:
            return ""
