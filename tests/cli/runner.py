"""Runs the command line in process, with its own environment, stdin and streams."""

import contextlib
import io
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from unittest.mock import patch

from holdfast.cli.main import run


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str


def holdfast(
    *args: str, stdin: bytes = b"", environ: Mapping[str, str] | None = None, terminal: bool = False
) -> Outcome:
    """Run one command. ``terminal``: stdin claims to be one."""
    with _streams(stdin, terminal=terminal) as (out, err), patch.dict("os.environ", environ or {}, clear=True):
        code = run(args)
        sys.stdout.flush()
        sys.stderr.flush()
        return Outcome(code, out.getvalue().decode(), err.getvalue().decode())


class _Input(io.TextIOWrapper):
    terminal = False

    def isatty(self) -> bool:
        return self.terminal


@contextlib.contextmanager
def _streams(stdin: bytes, *, terminal: bool) -> Iterator[tuple[io.BytesIO, io.BytesIO]]:
    out, err = io.BytesIO(), io.BytesIO()
    given = _Input(io.BytesIO(stdin), encoding="utf-8")
    given.terminal = terminal
    with (
        patch("sys.stdin", given),
        patch("sys.stdout", io.TextIOWrapper(out, encoding="utf-8", write_through=True)),
        patch("sys.stderr", io.TextIOWrapper(err, encoding="utf-8", write_through=True)),
    ):
        yield out, err
