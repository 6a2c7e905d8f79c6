"""What goes where: what was asked for to stdout, all else to stderr."""

import dataclasses
import json
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import click
import msgspec

from holdfast.cli.exits import ending_of
from holdfast.domain.audit import printable
from holdfast.errors import ConfigurationError, HoldfastError


def wants_json() -> bool:
    """Whether the running command was called with ``--json``."""
    context = click.get_current_context(silent=True)
    return bool(context and context.find_root().obj)


def write_value(value: str) -> None:
    """Write a secret to stdout, byte for byte; a terminal gets a newline after it."""
    stream = sys.stdout.buffer
    stream.write(value.encode())
    if sys.stdout.isatty():
        stream.write(b"\n")
    stream.flush()


def write_document(document: object) -> None:
    """Write one JSON document to stdout, in UTF-8 whatever the locale."""
    stream = sys.stdout.buffer
    stream.write(json.dumps(document, default=_plain, indent=2, ensure_ascii=False).encode() + b"\n")
    stream.flush()


def write_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write aligned columns to stdout: the same for people and for pipes, and nothing is cut off."""
    table = [list(columns), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def write_report(report: Any) -> None:
    """Write a report to stdout, one fact on a line; as JSON where that was asked for."""
    if wants_json():
        write_document(report)
        return
    for label, value in _facts(report):
        if isinstance(value, Iterable) and not isinstance(value, str):
            items = [_inline(item) for item in value]
            click.echo(f"{label}: {len(items) or 'none'}")
            for item in items:
                click.echo(f"  {item}")
        else:
            click.echo(f"{label}: {_cell(value)}")


def say(message: str) -> None:
    """Tell the person something, on stderr; programs that asked for JSON are left in peace."""
    if not wants_json():
        click.echo(_one_line(message), err=True)


def report(error: Exception, *, as_json: bool, command: str, debug: bool) -> int:
    """Write an error to stderr and return the exit code for it."""
    ending = ending_of(error)
    code, message = (
        (error.code, str(error))
        if isinstance(error, HoldfastError)
        else ("unexpected", _unexpected(error, debug=debug))
    )
    lines = message.splitlines() if isinstance(error, ConfigurationError) else [message]
    text = "\n".join(map(_one_line, lines)) + (f" {ending.hint}" if ending.hint else "")
    report_text(code, text, as_json=as_json, command=command)
    if debug and not isinstance(error, HoldfastError):
        click.echo("".join(traceback.format_exception(error)), err=True)
    return ending.code


def report_text(code: str, text: str, *, as_json: bool, command: str) -> None:
    """Write the text of an error to stderr."""
    document = json.dumps({"error": {"code": code, "message": text}})
    click.echo(document if as_json else f"{command}: {text}", err=True)


def moment(value: datetime) -> str:
    """Return a moment in UTC to the second, as RFC 3339 writes it."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _facts(report: Any) -> list[tuple[str, Any]]:
    return [(each.name.replace("_", " "), getattr(report, each.name)) for each in dataclasses.fields(report)]


def _inline(item: object) -> str:
    if not dataclasses.is_dataclass(item):
        return _cell(item)
    facts = ((label, value) for label, value in _facts(item) if value is not None and value != "")
    return ", ".join(f"{label} {_inline_value(value)}" for label, value in facts)


def _inline_value(value: object) -> str:
    if isinstance(value, Mapping):
        return _one_line(" ".join(f"{key}={item}" for key, item in value.items()))
    return _cell(value)


def _plain(value: object) -> object:
    """What ``json`` does not know itself. Whatever is not listed, a secret above all, is refused."""
    if isinstance(value, datetime):
        return moment(value)
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
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
    return _one_line(moment(value) if isinstance(value, datetime) else str(value))


def _one_line(text: str) -> str:
    # Descriptions, user agents and the like come from others: no terminal sequence of theirs is to take effect.
    return printable(text, len(text)) or ""


def _unexpected(error: Exception, *, debug: bool) -> str:
    more = "The traceback follows." if debug else "Run it again with HOLDFAST_LOG_LEVEL=debug to see more."
    return f"Unexpected error ({type(error).__name__}). {more} Please report it, without secrets, to the maintainers."
