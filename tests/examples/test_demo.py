"""The demo is the main promise, kept on real processes: it ends well only if every check in it holds."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"


@pytest.mark.timeout(240)
def test_i2_i11_no_read_fails_and_both_sides_end_up_equal() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo"], cwd=ROOT, capture_output=True, text=True, timeout=220, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = {line[:32].strip(): line[32:44].strip() for line in done.stdout.splitlines()}
    assert (figures["reads failed"], figures["wrong values read"]) == ("0", "0")
    (shown,) = (block for block in README.read_text().split("```") if block.startswith("console\n$ make demo\n"))
    assert [line[:32].strip() for line in shown.splitlines()[2:]] == list(figures)
    assert figures["secrets equal on both sides"] == "23 of 23"
    assert figures["writes accepted in the outage"] == figures["changes replayed"] == "13"
