"""``make proof-mutants``: every break in a copy of the product; its test has to fail there, and to pass here."""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
TABLE: Final = Path(__file__).with_name("broken.toml")
PATIENCE_S: Final = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """A promise, and how it is broken: ``text`` of ``file`` becomes another, which ``test`` does not stand.

    ``fails``: what its last words have in them, so that it has not failed for another reason.
    """

    promise: str
    says: str
    file: str
    text: str
    becomes: str
    test: str
    fails: str

    @property
    def source(self) -> Path:
        """The file as it is."""
        return ROOT / "src" / "holdfast" / self.file


def breaks() -> list[Break]:
    """All that the table has."""
    return [Break(**each) for each in tomllib.loads(TABLE.read_text())["break"]]


@contextmanager
def broken(each: Break) -> Iterator[Path]:
    """A folder with the product in it, broken."""
    with tempfile.TemporaryDirectory(prefix="holdfast-broken-") as folder:
        copy = Path(folder)
        shutil.copytree(ROOT / "src" / "holdfast", copy / "holdfast", ignore=shutil.ignore_patterns("__pycache__"))
        (copy / "holdfast" / each.file).write_text(each.source.read_text().replace(each.text, each.becomes))
        yield copy


def tried(test: str, product: Path) -> tuple[int, str]:
    """Run a test on a product; returns pytest's exit code and what it said."""
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--timeout=600", test],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(product)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


def judged(each: Break) -> str:
    """What is wrong with a break and its test; empty: nothing."""
    code, said = tried(each.test, ROOT / "src")
    if code != 0:
        return f"the test fails as things are: {said[-2000:]}"
    with broken(each) as product:
        code, said = tried(each.test, product)
    if code == 0:
        return "the test passes on a broken product"
    return "" if code == 1 and each.fails in said else f"it failed for another reason ({code}): {said[-2000:]}"


def main(promises: list[str]) -> int:
    """Try all, or those of some promises. Returns 1 if one is not as it should be."""
    wanted = [each for each in breaks() if not promises or each.promise in promises]
    print("| promise | broken so that | test that fails |\n|---|---|---|", flush=True)
    wrong = 0
    for each in wanted:
        found = judged(each)
        wrong += bool(found)
        name = each.test.rpartition("::")[2] or each.test
        print(f"| {each.promise} | {each.says} | {found or f'`{name}`'} |", flush=True)
    print(f"{len(wanted) - wrong} of {len(wanted)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
