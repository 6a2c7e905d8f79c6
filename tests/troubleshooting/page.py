"""docs/troubleshooting.md, as its tests read it."""

import re
from dataclasses import dataclass
from typing import Final

from tests.support.reference import ROOT

DOCUMENT: Final = ROOT / "docs" / "troubleshooting.md"
_SECTION: Final = re.compile(r"^## (.+)$", re.MULTILINE)
_SEEN: Final = re.compile(r"^```text\n(.*?)^```$", re.DOTALL | re.MULTILINE)

produced: set[tuple[str, int]] = set()
"""The symptoms that tests produce, by heading and line."""


@dataclass(frozen=True)
class Symptom:
    """One line of what a section says that one sees."""

    heading: str
    line: int

    def is_in(self, text: str) -> bool:
        """Whether a text has it; ``…`` stands for anything."""
        parts = seen(self.heading)[self.line].split("…")
        expression = ".+".join(re.escape(part.strip()).replace(r"\ ", r"\s+") for part in parts)
        return bool(re.search(expression, text, re.DOTALL))


def symptom(heading: str, line: int = 0) -> Symptom:
    """Return one that a test is going to produce."""
    produced.add((heading, line))
    return Symptom(heading, line)


def sections() -> dict[str, str]:
    """The text of each section, by heading."""
    _, *parts = _SECTION.split(DOCUMENT.read_text())
    return dict(zip(parts[::2], parts[1::2], strict=True))


def seen(heading: str) -> list[str]:
    """What a section says that one sees, a line each."""
    found = _SEEN.search(sections()[heading])
    assert found, heading
    return found[1].splitlines()
