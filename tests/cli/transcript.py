"""Reads transcripts: commands with what goes in and what must come out.

``$`` begins a command. Then, in any order: ``<`` a line for stdin, ``>`` a line of stdout, ``!`` a line of stderr
(each with ``-`` instead of the space when no newline follows), ``?`` the exit code if it is not 0. ``#`` is a comment.
``<time>``, ``<id>``, ``<number>``, ``<word>``, ``<drawn>`` and ``<any>`` stand for what differs from run to run.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_WILDCARDS = {
    "<time>": r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z",
    "<id>": r"[0-9a-f]{32}",
    "<number>": r"[0-9]+",
    "<word>": r"[^\s]+",
    "<any>": r".*",
    "<drawn>": r"[0-9A-Za-z]{32}",
}


@dataclass
class Step:
    """One command and its expectations."""

    line: int
    args: list[str]
    texts: dict[str, str] = field(default_factory=lambda: {"<": "", ">": "", "!": "", "?": "0"})


def steps(path: Path) -> Iterator[Step]:
    """Yield the commands of a transcript in order."""
    step: Step | None = None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("$"):
            if step is not None:
                yield step
            step = Step(number, shlex.split(line)[2:])
        elif line and not line.startswith("#"):
            assert step is not None, f"{path.name}:{number}: a command comes first"
            mark, rest = line[0], line[2:]
            if mark == "?":
                step.texts[mark] = rest
            else:
                step.texts[mark] += rest + ("" if line[1:2] == "-" else "\n")
    if step is not None:
        yield step


def without_place(stderr: str) -> str:
    """Return what a command said, without the line that names the installation, which has tests of its own."""
    return re.sub(r"^Taken by .+\.\n", "", stderr, flags=re.MULTILINE)


def pattern(text: str) -> re.Pattern[str]:
    """Return the pattern for an expected text with wildcards."""
    parts = re.split("(" + "|".join(map(re.escape, _WILDCARDS)) + ")", text)
    return re.compile("".join(_WILDCARDS.get(part, re.escape(part)) for part in parts))
