"""What goes where: what was asked for to stdout, all else to stderr."""

import dataclasses
import json
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import click
import msgspec

from holdfast.cli.exits import ending_of
from holdfast.cli.streams import tell, width, write, write_text
from holdfast.domain.audit import printable
from holdfast.errors import ConfigurationError, HoldfastError

_BREAK: Final = re.compile(r"[ \t]*[\r\n\t]+[ \t]*")
"""Between the lines of an error that PostgreSQL wrote, which are shown as one."""


def wants_json() -> bool:
    """Whether the running command was called with ``--json``."""
    context = click.get_current_context(silent=True)
    return bool(context and context.find_root().obj)


def write_value(value: str) -> None:
    """Write a secret to stdout, byte for byte; a terminal gets a newline after it."""
    at_terminal = sys.stdout is not None and sys.stdout.isatty()
    write(value.encode() + (b"\n" if at_terminal else b""))


def write_document(document: object) -> None:
    """Write one JSON document to stdout, in UTF-8 whatever the locale."""
    write(json.dumps(document, default=_plain, indent=2, ensure_ascii=False).encode() + b"\n")


def write_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write aligned columns to stdout: the same for people and for pipes, and nothing is cut off."""
    write_lines(aligned(columns, rows))


def aligned(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return the lines of a table."""
    table = [list(columns), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(width, column)) for column in zip(*table, strict=True)]
    return ["  ".join(_padded(row, widths)).rstrip() for row in table]


def write_lines(lines: Iterable[str]) -> None:
    """Write lines to stdout."""
    write_text("".join(f"{line}\n" for line in lines))


def write_report(report: Any) -> None:
    """Write a report to stdout, one fact on a line; as JSON where that was asked for."""
    if wants_json():
        write_document(report)
    else:
        write_lines(line for label, value in _facts(report) for line in _fact(label, value))


def say(message: str) -> None:
    """Tell the person something, on stderr; programs that asked for JSON are left in peace."""
    if not wants_json():
        tell(one_line(message))


def report(error: Exception, *, as_json: bool, command: str, debug: bool) -> int:
    """Write an error to stderr and return the exit code for it."""
    ending = ending_of(error)
    code, message = (
        (error.code, str(error))
        if isinstance(error, HoldfastError)
        else ("unexpected", _unexpected(error, debug=debug))
    )
    lines = message.splitlines() if isinstance(error, ConfigurationError) else [message]
    text = "\n".join(one_line(_BREAK.sub(" ", line)) for line in lines) + (f" {ending.hint}" if ending.hint else "")
    report_text(code, text, as_json=as_json, command=command)
    if debug and not isinstance(error, HoldfastError):
        tell("".join(traceback.format_exception(error)))
    return ending.code


def report_text(code: str, text: str, *, as_json: bool, command: str) -> None:
    """Write the text of an error to stderr."""
    document = json.dumps({"error": {"code": code, "message": text}})
    tell(document if as_json else f"{command}: {text}")


def moment(value: datetime) -> str:
    """Return a moment in UTC to the second, as RFC 3339 writes it."""
    return value.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _facts(report: Any) -> list[tuple[str, Any]]:
    return [(name.replace("_", " "), value) for name, value in _members(report).items()]


def _members(thing: Any) -> dict[str, Any]:
    if isinstance(thing, msgspec.Struct):
        return msgspec.structs.asdict(thing)
    return {each.name: getattr(thing, each.name) for each in dataclasses.fields(thing)}


def _is_record(thing: object) -> bool:
    return isinstance(thing, msgspec.Struct) or dataclasses.is_dataclass(thing)


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [text + " " * (wide - width(text)) for text, wide in zip(row, widths, strict=True)]


def _fact(label: str, value: object) -> Iterator[str]:
    if isinstance(value, Iterable) and not isinstance(value, str):
        items = [_inline(item) for item in value]
        yield f"{label}: {len(items) or 'none'}"
        yield from (f"  {item}" for item in items)
    else:
        yield f"{label}: {_cell(value)}"


def _inline(item: object) -> str:
    if not _is_record(item):
        return _cell(item)
    facts = ((label, value) for label, value in _facts(item) if value is not None and value != "")
    return ", ".join(f"{label} {_inline_value(value)}" for label, value in facts)


def _inline_value(value: object) -> str:
    if isinstance(value, Mapping):
        return one_line(" ".join(f"{key}={item}" for key, item in value.items()))
    return _cell(value)


def _plain(value: object) -> object:
    """What ``json`` does not know itself. Whatever is not listed, a secret above all, is refused."""
    if isinstance(value, datetime):
        return moment(value)
    if _is_record(value):
        return _members(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Set):
        return sorted(value)
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}"
    return one_line(moment(value) if isinstance(value, datetime) else str(value))


def one_line(text: str) -> str:
    """Return a text as one line, with nothing in it that a terminal would act on."""
    # Descriptions, user agents and the like come from others: no terminal sequence of theirs is to take effect.
    return printable(text, len(text)) or ""


def _unexpected(error: Exception, *, debug: bool) -> str:
    more = "The traceback follows." if debug else "Run it again with HOLDFAST_LOG_LEVEL=debug to see more."
    return f"Unexpected error ({type(error).__name__}). {more} Please report it, without secrets, to the maintainers."
