"""The figures of the structure count what they say, and those of a request are of one that was answered."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.structure import counted

ROOT = Path(__file__).parents[2]

SOURCE = '''"""A module."""


class Store:
    """A class."""

    def _once(self) -> int:
        return 1

    def _never_alone(self) -> int:
        # why
        return self._once() + self._never_alone() + self._never_alone()


async def read(guard: object) -> None:
    """Read."""
    async with guard.operation("get"):
        pass
    guard.record()
'''


def test_structure_is_counted_by_syntax(tmp_path: Path) -> None:
    folder = tmp_path / "src" / "pack"
    folder.mkdir(parents=True)
    (folder / "control.py").write_text(SOURCE)
    (tmp_path / ".importlinter").write_text("[importlinter]\n[importlinter:contract:layers]\n")
    found = counted(tmp_path)
    assert found["lines"] == SOURCE.count("\n")
    assert (found["modules"], found["modules called control"], found["import contracts"]) == (1, 1, 1)
    assert (found["functions"], found["median lines of a function"]) == (3, 1)
    assert found["places that open the door"] == 1
    assert (found["private functions"], found["private functions used once, in percent"]) == (2, 50)


def test_each_journey_passes_our_code_and_is_answered() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.journeys", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {"cached read, library", "write, /v1"} <= found.keys()
    assert all(cost["calls"] > cost["modules"] > cost["packages"] > 0 for cost in found.values())
