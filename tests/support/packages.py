"""Wheels of ours, and clean environments that they are installed into, as somebody without the checkout does."""

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.support.reference import ROOT

_PATIENCE_S: Final = 600
"""Generous: an index may be slow."""

_PIP: Final = ("--disable-pip-version-check", "--no-input", "--quiet")


def build(folder: Path) -> Path:
    """Build the wheel of this checkout, with the build backend that is installed here."""
    command = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=_PATIENCE_S)
    (wheel,) = folder.glob("*.whl")
    return wheel


def pip(python: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """Run pip, and return what it said, whatever that was."""
    command = (str(python), "-m", "pip", args[0], *_PIP, *args[1:])
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=_PATIENCE_S)


@cache
def _index_answers() -> bool:
    """Whether a package that there certainly is can be found."""
    command = ("install", "--dry-run", "--no-deps", "--ignore-installed", "--retries", "1", "click")
    return pip(Path(sys.executable), *command).returncode == 0


def needs_an_index() -> None:
    """Leave a test out, with a reason, where no package index answers."""
    if not _index_answers():
        pytest.skip("no package index answers here")


def locked() -> str:
    """The locked versions as constraints, without the hashes: the wheel that was just built has none there."""
    lines = (ROOT / "requirements" / "runtime.txt").read_text().splitlines()
    return "\n".join(each.removesuffix("\\").strip() for each in lines if re.match(r"[a-z0-9]", each))


@dataclass(frozen=True)
class Environment:
    """A virtual environment of its own."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    def install(self, *wanted: str) -> None:
        """Install, in the versions of the lock."""
        constraints = self.folder / "constraints.txt"
        constraints.write_text(locked())
        done = pip(self.python, "install", "--constraint", str(constraints), *wanted)
        assert done.returncode == 0, done.stdout + done.stderr

    def names(self) -> set[str]:
        """What is installed."""
        return {each.partition("==")[0].lower() for each in pip(self.python, "list", "--format=freeze").stdout.split()}

    def run(
        self, program: str, *args: str, environ: Mapping[str, str], stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of this environment with nothing else in its own."""
        return self._done([str(self.folder / "bin" / program), *args], environ, stdin)

    def _done(self, command: Sequence[str], environ: Mapping[str, str], stdin: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", **environ},
            input=stdin,
            check=False,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
        )


def environment(folder: Path) -> Environment:
    """Make one that is empty but for pip."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True, timeout=_PATIENCE_S)
    return Environment(folder)
