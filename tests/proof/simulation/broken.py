"""Builds that are broken on purpose, so that it is seen within how many seeds the simulation finds each.

``python -m tests.proof.simulation.broken``: a line for each build.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from tests.proof.history.verdicts import Judged
from tests.proof.trials import ROOT, Verdict

MOST_SEEDS: Final = 300
_WITHIN_S: Final = 600


class Edit(NamedTuple):
    """In a file of the product, ``before`` is replaced by ``after``."""

    file: str
    before: str
    after: str


BUILDS: Final[dict[str, Sequence[Edit]]] = {
    "a chain goes on although the answer to its COPY was lost": [
        Edit("service/audit/sequencer.py", "            self._chain = None  # as in _write\n", "")
    ],
    "a record is dropped when the answer to its COPY was lost": [
        Edit(
            "service/audit/sequencer.py",
            "        if failure is not None:\n            await self._write_locally(entries)",
            "        if failure is not None and self._failures > 1:\n            await self._write_locally(entries)",
        )
    ],
    "a record that no sink took is taken for durable": [
        Edit(
            "service/audit/sequencer.py",
            "            raise AuditUnavailable(\n",
            "            _ = BackendUnavailable(\n",
        ),
        Edit(
            "service/audit/sequencer.py",
            'writable with space left."\n            ) from error\n',
            'writable"\n            )\n',
        ),
    ],
    "generations are not compared when a cache is filled": [
        Edit(
            "service/secrets/tiers.py",
            "not self.marks.answered(name, revision, content, heard_before=asked.heard):\n            return",
            "not self.marks.answered(name, revision, content, heard_before=asked.heard):\n            _ =",
        )
    ],
    "generations are not compared when a cache is read": [
        Edit("service/secrets/tiers.py", "or entry.revision != head.revision", "")
    ],
    "a PUT of which no one knows is taken for a failure": [
        Edit(
            "service/secrets/making.py",
            "except (TransitionPending, BackendUnavailable) as",
            "except TransitionPending as",
        )
    ],
    "changes are not made in their order": [
        Edit("service/secrets/making.py", " and not await tx.in_the_way(name, kind)", ""),
        Edit("service/vault/replication.py", "if first is not None and not await self.push(name, first):", "if False:"),
    ],
    "a commit that was not confirmed is taken for one that failed": [
        Edit("stores/postgres/errors.py", "        raise OutcomeUnknown(\n", "        raise BackendUnavailable(\n")
    ],
    "changed rules are not read": [
        Edit(
            "service/access/grants.py",
            "        if epoch != self._epoch:\n            async",
            "        if epoch < 0:\n            async",
        )
    ],
    "the lease on rules never ends": [
        Edit("service/access/grants.py", "            raise LeaseExpired(\n", "            _ = LeaseExpired(\n")
    ],
    "a node that hears nothing trusts its memory": [
        Edit("service/secrets/reading.py", "        if self._feed.live():\n", "        if True:\n")
    ],
    "rules that cannot be read back are told as refused": [
        Edit("service/access/readback.py", "        raise OutcomeUnknown(\n", "        raise BackendUnavailable(\n")
    ],
    "a late version is taken for a recovery": [
        Edit(
            "service/vault/applying.py",
            "if not await came_late(newest, attempt.intent, self._journal):",
            "if not await self._journal.is_deletion_void(attempt.intent.incarnation):",
        )
    ],
}
"""What is broken, and how."""


def broken(edits: Sequence[Edit], folder: Path) -> None:
    """Make the product in a folder, with these edits.

    Raises:
        ValueError: the product does not have what is to be replaced, once.
    """
    shutil.copytree(ROOT / "src" / "holdfast", folder / "holdfast")
    for edit in edits:
        file = folder / "holdfast" / edit.file
        text = file.read_text()
        if text.count(edit.before) != 1:
            raise ValueError(f"{edit.file} has {edit.before!r} {text.count(edit.before)} times")
        file.write_text(text.replace(edit.before, edit.after))


def found_within(edits: Sequence[Edit], most: int = MOST_SEEDS) -> tuple[int, str]:
    """How many seeds it takes until one fails, and how; 0 if none does."""
    with tempfile.TemporaryDirectory() as folder:
        broken(edits, Path(folder))
        verdicts = Path(folder) / "simulation.jsonl"
        command = [sys.executable, "-m", "tests.proof.simulation", "--seeds", f"0:{most}", "--stop", "--whole"]
        ended = subprocess.run(
            [*command, "--within", str(_WITHIN_S), "--folder", folder],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": folder},
            capture_output=True,
            text=True,
            check=False,
        )
        if not verdicts.exists():
            raise ValueError(ended.stderr)
        lines = verdicts.read_bytes().splitlines()
    last = msgspec.json.decode(lines[-1], type=Judged)
    if last.verdict is Verdict.HOLDS:
        return 0, f"not within {len(lines)} seeds"
    return len(lines), "; ".join(f"{each.promise} {each.text}" for each in last.violations[:1]) or last.why


if __name__ == "__main__":
    for name, edits in BUILDS.items():
        if not sys.argv[1:] or any(each in name for each in sys.argv[1:]):
            count, how = found_within(edits)
            print(f"{name}: {count} ({how})", flush=True)
