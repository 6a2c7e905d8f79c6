"""Every transcript, against a real database: stdout, stderr and exit code, to the letter."""

from pathlib import Path

import pytest

from tests.cli.environment import environment
from tests.cli.runner import holdfast
from tests.cli.transcript import Step, pattern, steps, without_place

HERE = Path(__file__).parent


@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("*.txt")))
def test_transcript(name: str, database_url: str, tmp_path: Path) -> None:
    play(HERE / name, environment(database_url, tmp_path))


def play(transcript: Path, environ: dict[str, str]) -> None:
    """Run every command of a transcript and compare."""
    for step in steps(transcript):
        _check(transcript.name, step, environ)


def _check(name: str, step: Step, environ: dict[str, str]) -> None:
    got = holdfast(*step.args, stdin=step.texts["<"].encode(), environ=environ)
    where = f"{name}:{step.line}: {step.args}\n{got}"
    assert pattern(step.texts["!"]).fullmatch(without_place(got.stderr)), where
    assert pattern(step.texts[">"]).fullmatch(got.stdout), where
    assert got.code == int(step.texts["?"]), where
    assert "c4n4ry" not in got.stderr, where
