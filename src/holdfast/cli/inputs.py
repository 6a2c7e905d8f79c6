"""What comes in: secrets from stdin, a file or a hidden prompt, never from arguments; moments; tags."""

import re
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import click

from holdfast.cli.streams import tell
from holdfast.domain.validation import MAX_VALUE_BYTES
from holdfast.errors import InvalidInput

NOT_IN_ARGUMENTS: Final = (
    "takes no value on the command line: other users of this machine could read it in the list of processes, and "
    "your shell would keep it in its history. Pipe it in (holdfast set NAME < file), or type it at the prompt."
)

MAX_TOKEN_BYTES: Final = 16 * 1024

_MAX_CODE: Final = 64
_DURATION: Final = re.compile(r"([0-9]{1,6})([mhdw])", re.ASCII)
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(text: str) -> datetime:
    """Return the moment that ``text`` names: RFC 3339 with a zone, or a duration from now."""
    found = _DURATION.fullmatch(text)
    try:
        if found:
            return datetime.now(UTC) + timedelta(**{_UNITS[found[2]]: int(found[1])})
        parsed = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            "is no moment: write 2027-01-31T00:00Z, or a duration from now like 90d, 12h or 30m."
        ) from None
    if parsed.tzinfo is None:
        raise click.BadParameter("has no time zone: write 2027-01-31T00:00Z (UTC) or 2027-01-31T00:00+01:00.")
    return parsed


def past(text: str) -> datetime:
    """Return the moment that ``text`` names: RFC 3339 with a zone, or a duration before now."""
    found = moment(text)
    if not _DURATION.fullmatch(text):
        return found
    now = datetime.now(UTC)
    return now - (found - now)


def duration(text: str) -> timedelta:
    """Return the duration that ``text`` names, such as 90d, 12h or 30m."""
    found = _DURATION.fullmatch(text)
    try:
        if found:
            return timedelta(**{_UNITS[found[2]]: int(found[1])})
    except OverflowError:
        pass
    raise click.BadParameter("must be a duration such as 90d, 12h or 30m.")


def tag(text: str) -> tuple[str, str]:
    """Return the key and the value of ``key=value``; the value may contain further ``=``."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise click.BadParameter("must be KEY=VALUE, such as team=payments.")
    return key, value


def version(text: str) -> int | str:
    """Return a version by number, or by its id of 32 hex digits."""
    if re.fullmatch(r"[0-9]{1,18}", text, re.ASCII):
        return int(text)
    if re.fullmatch(r"[0-9a-fA-F]{32}", text, re.ASCII):
        return text
    raise click.BadParameter("must be a number such as 3, or an id of 32 hex digits.")


def uuid(text: str) -> UUID:
    """Return an id as listings show it."""
    try:
        return UUID(text)
    except ValueError:
        raise click.BadParameter("must be an id as the list shows it, such as 7f0c1ee4-….") from None


accept_credentials: Final = click.option(
    "--accept-credentials",
    is_flag=True,
    help="Also for credentials whose makers do not hold what is handed out.",
)
"""The switch of commands that hand something out."""


def whole(low: int, high: int) -> Callable[[str], int]:
    """A whole number within bounds. Click's own type would repeat what was typed."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", text, re.ASCII) or not low <= int(text) <= high:
            raise click.BadParameter(f"must be a whole number from {low} to {high}.")
        return int(text)

    return parse


def one_of(*options: str) -> Callable[[str], str]:
    """One of some words."""

    def parse(text: str) -> str:
        if text not in options:
            raise click.BadParameter(f"must be one of {', '.join(options)}.")
        return text

    return parse


def read_value(file: Path | None, *, raw: bool, allow_empty: bool) -> str:
    """Return the secret to store.

    One newline at the end, as editors and ``echo`` leave it, is removed unless ``raw``.

    Raises:
        InvalidInput: too long, not UTF-8, or empty without ``allow_empty``.
    """
    if file is None and sys.stdin is None:
        raise InvalidInput("There is no stdin to read the value from: pipe it in, or name a file with --file.")
    if file is None and sys.stdin.isatty():
        text = str(click.prompt("Value", hide_input=True, confirmation_prompt=True, err=True))
    else:
        text = _decoded(_bytes_of(file))
        text = text if raw else _without_newline(text)
    if not text and not allow_empty:
        raise InvalidInput("The value is empty; did the command that makes it fail? --allow-empty stores it.")
    return text


def read_code(prompt: str, *, default: str | None = None) -> str:
    """Return a code that lets somebody in: the first line of stdin, or what is typed at a prompt."""
    if sys.stdin is not None and sys.stdin.isatty():
        return str(click.prompt(prompt, default=default, show_default=False, hide_input=True, err=True)).strip()
    return sys.stdin.readline(_MAX_CODE).strip() if sys.stdin is not None else ""


def confirmed(question: str, answer: str) -> bool:
    """Ask, and return whether ``answer`` was typed; an end of the input is no answer."""
    tell(f"{question} ", end="")
    typed = sys.stdin.buffer.readline() if sys.stdin is not None else b""
    return typed.decode(errors="replace").strip().lower() == answer


def agreed(question: str) -> None:
    """Ask a yes or no; an end of the input is a no.

    Raises:
        click.UsageError: it was not a yes.
    """
    tell(f"{question} [y/N]: ", end="")
    typed = sys.stdin.buffer.readline() if sys.stdin is not None else b""
    if typed.decode(errors="replace").strip().lower() not in ("y", "yes"):
        raise click.UsageError("That was not a yes: nothing is changed. --yes skips the question.")


def _bytes_of(file: Path | None) -> bytes:
    limit = MAX_VALUE_BYTES + len("\r\n")
    try:
        if file is None:
            data = sys.stdin.buffer.read(limit + 1)
        else:
            with file.open("rb") as stream:
                data = stream.read(limit + 1)
    except OSError as error:
        raise InvalidInput(f"--file cannot be read: {error.strerror}. Name a readable file.", field="file") from error
    if len(data) > limit:
        raise InvalidInput(f"The value is longer than {MAX_VALUE_BYTES:,} bytes, which is the limit; split it.")
    return data


def _decoded(data: bytes) -> str:
    with suppress(UnicodeDecodeError):  # it holds the value, so it may not stay as the context of ours
        return data.decode()
    raise InvalidInput("The value is not UTF-8 text; encode it first, for example with base64.")


def _without_newline(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
