"""``.env`` files, as python-dotenv reads them. What may be the rest of a value is refused by its line, and not shown.

Values over several lines without quotes are what such files have wrong most often: a wrapped base64 text, a key, JSON.
Their lines must be taken for nothing else, as names are shown and kept where no value may be.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from holdfast.errors import InvalidInput

if TYPE_CHECKING:
    from dotenv.parser import Binding

_NAME: Final = re.compile(r"[\w.-]{1,200}")
_RUN: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
"""A word of a name in camel case."""
_SHORT: Final = 4
"""Characters: random letters and digits change their kind before that, words do not."""
_LONG: Final = 16
_WRAPPED: Final = re.compile(r"[A-Za-z0-9+/]{40,}", re.ASCII)
_HEX: Final = re.compile(r"[0-9a-fA-F]+|[0-9]+", re.ASCII)
_REST: Final = re.compile(r"[A-Za-z0-9+/]+={0,6}", re.ASCII)
_QUARTET: Final = 4
"""Characters that base64 comes in."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One assignment. ``line`` counts from 1."""

    name: str
    value: str
    line: int


def read_dotenv(text: str, called: str) -> Iterator[Variable]:
    """Yield the assignments of a file; ``${…}`` is not filled in.

    Raises:
        InvalidInput: a line is no assignment, or programs differ about what it says. It is named by its number alone.
    """
    from dotenv.parser import parse_stream  # noqa: PLC0415  # only this command needs it

    before: _Line | None = None
    for binding in parse_stream(io.StringIO(text, newline=None)):
        if binding.key is None and not binding.error:
            continue
        line = _Line.of(binding)
        fault = _fault(binding, line, before)
        if fault or binding.key is None or binding.value is None:
            raise InvalidInput(f"{called} line {line.number} {fault}. Nothing was imported.")
        yield Variable(binding.key, binding.value, line.number)
        before = line


@dataclass(frozen=True, slots=True)
class _Line:
    """``value`` is as it stands there, with its quotes."""

    number: int
    text: str
    value: str

    @classmethod
    def of(cls, binding: "Binding") -> Self:
        original = binding.original.string
        text = original.lstrip()
        skipped = original[: len(original) - len(text)].count("\n")  # python-dotenv counts from the blank lines before
        return cls(binding.original.line + skipped, text.strip(), text.partition("=")[2].strip())


def _fault(binding: "Binding", line: _Line, before: _Line | None) -> str:
    if binding.error or binding.value is None or not _NAME.fullmatch(binding.key or "") or _is_rest(line):
        return "is not NAME=value"
    if before is not None and _continues(line, before):
        return f"may be the rest of line {before.number}: put that value in quotes, or on one line"
    if line.value.startswith("`"):
        return "begins a value with a backtick, which some programs take for a quote: use ' or \""
    return "holds a NUL character, which no variable can hold" if "\0" in binding.value else ""


def _is_rest(line: _Line) -> bool:
    """Whether a line looks like the end of a base64 text, whatever stands before it."""
    key = line.text.partition("=")[0]
    if line.value.strip("="):
        return False
    return bool(line.value) or (key.isalnum() and _LONG <= len(key) < _SHORT * len(_RUN.findall(key)))


def _continues(line: _Line, before: _Line) -> bool:
    """Whether a line may be the end of a base64 text that begins in the line before, without quotes."""
    begun = _WRAPPED.fullmatch(before.value)
    if begun is None or _HEX.fullmatch(before.value) or not _REST.fullmatch(line.text):
        return False
    return len(before.value) % _QUARTET == len(line.text) % _QUARTET == 0
