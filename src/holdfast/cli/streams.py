"""Writing where nobody may be listening: pipes that close, disks that fill up, terminals that know few characters."""

import codecs
import os
import sys
import unicodedata
from typing import TextIO

import click

from holdfast.cli.exits import BROKEN_PIPE


class OutputLost(click.ClickException):
    """Standard output does not take what was asked for; the work itself is done."""


def write(data: bytes) -> None:
    """Write to stdout, at once.

    Raises:
        click.exceptions.Exit: the reader has gone away (``holdfast list | head -1``); nothing more is to be said.
        OutputLost: stdout is closed, or what it leads to is full.
    """
    if sys.stdout is None:  # closed by whoever started us
        raise OutputLost("The command is done, but stdout is closed and its answer is lost. Open it, and ask again.")
    stream = sys.stdout.buffer
    try:
        stream.write(data)
        stream.flush()
    except BrokenPipeError:
        _abandon(sys.stdout)
        raise click.exceptions.Exit(BROKEN_PIPE) from None
    except OSError as error:
        _abandon(sys.stdout)
        raise OutputLost(
            f"The command is done, but its answer is lost: {error.strerror} on stdout. Make room, and ask again."
        ) from None


def write_text(text: str) -> None:
    """Write lines for a person to stdout; what its encoding lacks is written as an escape."""
    write(text.encode(_encoding(sys.stdout), "backslashreplace"))


def tell(text: str, end: str = "\n") -> None:
    """Write to stderr. That nobody hears it changes nothing about what was done."""
    try:
        click.echo(text + end, err=True, nl=False)
    except OSError:
        _abandon(sys.stderr)


def width(text: str) -> int:
    """Columns that a terminal takes for ``text``."""
    return sum(_columns(character) for character in text)


def knows(stream: TextIO, text: str) -> bool:
    """Whether the encoding of ``stream`` has every character of ``text``."""
    try:
        text.encode(stream.encoding)
    except UnicodeEncodeError:
        return False
    return True


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"F", "W"} else 1


def _encoding(stream: TextIO | None) -> str:
    found = codecs.lookup(stream.encoding if stream is not None else "utf-8").name
    return "utf-8" if found == "ascii" else found  # ASCII says that nobody chose an encoding: the C locale


def _abandon(stream: TextIO) -> None:
    """Lead the stream nowhere, so that Python does not fail at flushing it on its way out."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
