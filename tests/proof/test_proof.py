"""The proof's own promises: bounded in time, a verdict for each seed, and no success without one that holds."""

import argparse
import os
import signal
import subprocess
import sys

import pytest

from tests.proof.__main__ import arguments, report, seeds_of
from tests.proof.trials import ROOT, Trial, Verdict, command, models, stopped, trials, tried


def test_every_stateful_model_takes_part() -> None:
    machine = "RuleBased" + "StateMachine"
    written = {str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("*.py") if machine in path.read_text()}
    assert written <= set(models())


def test_seeds_are_a_range_or_one() -> None:
    assert seeds_of("3:6") == range(3, 6)
    assert seeds_of("7") == range(7, 8)
    for wrong in ("", ":", "a", "5:5", "6:5", "-1", "1:2:3", "\u0663", str(2**33)):
        with pytest.raises(argparse.ArgumentTypeError):
            seeds_of(wrong)


def test_seeds_that_nobody_named_differ_each_time() -> None:
    assert len({arguments([]).seeds.start for _ in range(4)}) > 1


def test_no_seed_begins_when_the_time_is_up() -> None:
    asked: list[int] = []

    def attempt(seed: int, within_s: float) -> Trial:
        asked.append(seed)
        assert within_s > 0
        return Trial(seed, Verdict.HOLDS, 0.0)

    assert list(trials(range(3), 0, attempt)) == []
    assert [each.seed for each in trials(range(3), 3600, attempt)] == asked == [0, 1, 2]


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ([Verdict.HOLDS], 0),
        ([Verdict.HOLDS, Verdict.UNFINISHED], 0),
        ([Verdict.HOLDS, Verdict.FAILS], 1),
        ([Verdict.UNFINISHED], 1),
        ([], 1),
    ],
)
def test_only_a_seed_that_holds_is_a_success(
    verdicts: list[Verdict], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(Trial(seed, each, 1.0, "what was said") for seed, each in enumerate(verdicts)) == code
    printed = capsys.readouterr().out
    assert all(f"seed {seed}: {each.value}" in printed for seed, each in enumerate(verdicts))
    assert ("Again: make proof SEEDS=1" in printed) is (Verdict.FAILS in verdicts)


def test_a_trial_has_the_seed_and_every_model() -> None:
    assert "--hypothesis-seed=42" in command(42)
    assert set(models()) <= set(command(42))


def test_what_takes_too_long_is_stopped_and_is_no_verdict() -> None:
    assert tried(1, 0.01).verdict is Verdict.UNFINISHED


def test_what_is_stopped_is_not_waited_for_while_a_child_holds_its_output() -> None:
    """A server of a test has a session of its own, and inherits the pipe."""
    child = "import subprocess; print(subprocess.Popen(['sleep', '60'], start_new_session=True).pid, flush=True)"
    deaf = f"import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); {child}; time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    try:
        assert stopped(process, patience_s=0.5) == ""
        assert process.returncode == -signal.SIGKILL
        os.kill(pid, 0)  # it lives, and its end was not waited for
    finally:
        os.kill(pid, signal.SIGKILL)
