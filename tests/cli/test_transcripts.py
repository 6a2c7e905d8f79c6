"""Every transcript, against a real database: stdout, stderr and exit code, to the letter."""

from pathlib import Path

import pytest

from tests.cli.runner import holdfast
from tests.cli.transcript import Step, pattern, steps

HERE = Path(__file__).parent
KEY = "q1hZ0o1v2d7yq8Zk3mJx9WcR5tUe6iLbNfGsHaPwXy4="


@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("*.txt")))
def test_transcript(name: str, database_url: str, tmp_path: Path) -> None:
    environ = {
        "DATABASE_URL": database_url,
        "FALLBACK_ENCRYPTION_KEY": KEY,
        "HOLDFAST_DATA_DIR": str(tmp_path / "data"),
        "HOME": str(tmp_path),
    }
    play(HERE / name, environ)


def play(transcript: Path, environ: dict[str, str]) -> None:
    """Run every command of a transcript and compare."""
    for step in steps(transcript):
        _check(transcript.name, step, environ)


def _check(name: str, step: Step, environ: dict[str, str]) -> None:
    got = holdfast(*step.args, stdin=step.texts["<"].encode(), environ=environ)
    where = f"{name}:{step.line}: {step.args}\n{got}"
    assert pattern(step.texts["!"]).fullmatch(got.stderr), where
    assert pattern(step.texts[">"]).fullmatch(got.stdout), where
    assert got.code == int(step.texts["?"]), where
    assert "c4n4ry" not in got.stderr, where
