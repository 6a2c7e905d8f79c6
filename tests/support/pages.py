"""The blocks of the documents: what a reader types, and what the page shows as the answer."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.reference import documents

_FENCE: Final = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_WALK: Final = re.compile(r"^<!-- walk: ([a-z-]+) -->\n(.*?)^<!-- walk ends -->$", re.DOTALL | re.MULTILINE)
_HEREDOC: Final = re.compile(r"<<\s*'?(\w+)'?")


@dataclass(frozen=True)
class Block:
    """A fenced block of a document."""

    path: Path
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.path.name}: {self.text.splitlines()[0][:40]}"

    @property
    def commands(self) -> list[tuple[str, str]]:
        """Each command of a console block, with what is shown below it."""
        parts = re.split(r"^\$ ", self.text, flags=re.MULTILINE)
        assert parts[0] == "", f"{self}: a console block begins with a command"
        return [_parted(part) for part in parts[1:]]


def blocks(*languages: str) -> list[Block]:
    """The blocks of these languages in all documents, but for those of walks."""
    found = [each for path in documents() for each in _blocks_of(path, _WALK.sub("", path.read_text()))]
    return [each for each in found if each.language in languages]


def languages() -> set[str]:
    """Every language that a block has, in walks too."""
    return {each.language for path in documents() for each in _blocks_of(path, path.read_text())}


def walks() -> dict[str, list[tuple[str, str]]]:
    """The commands of each walk, in their order. A walk has one page, and stands between two comments of it."""
    found: dict[str, list[tuple[str, str]]] = {}
    for path in documents():
        for name, text in _WALK.findall(path.read_text()):
            steps = [each for block in _blocks_of(path, text) if block.language == "console" for each in block.commands]
            found.setdefault(name, []).extend(steps)
    return found


def _blocks_of(path: Path, text: str) -> Iterator[Block]:
    for indent, language, inner in _FENCE.findall(text):
        yield Block(path, language, re.sub(rf"^{indent}", "", inner, flags=re.MULTILINE))


def _parted(part: str) -> tuple[str, str]:
    """A command and what is shown: lines that end with a backslash go on, and so does a document up to its word."""
    lines = part.split("\n")
    end = 1
    while lines[end - 1].endswith("\\"):
        end += 1
    word = _HEREDOC.search(lines[0])
    if word:
        end = lines.index(word[1]) + 1
    return "\n".join(lines[:end]), "\n".join(lines[end:])
