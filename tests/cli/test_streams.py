"""Where nobody listens: closed pipes, full disks, closed streams, terminals of few characters."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.cli import streams
from tests.cli.environment import environment
from tests.cli.runner import holdfast

Shell = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def shell(database_url: str, tmp_path: Path) -> Shell:
    """Runs a script in which ``holdfast`` is the command, on a database with one secret of 20,000 bytes."""
    environ = environment(database_url, tmp_path)
    assert holdfast("set", "db", "--description", "Grüße, 漢字", stdin=b"x\n" * 10_000, environ=environ).code == 0
    (tmp_path / "holdfast").write_text(
        f'#!/bin/sh\nexec {sys.executable} -c "from holdfast.cli.main import main; main()" "$@"\n'
    )
    (tmp_path / "holdfast").chmod(0o700)

    def run(script: str, **more: str) -> "subprocess.CompletedProcess[bytes]":
        path = f"{tmp_path}:{os.environ['PATH']}"
        return subprocess.run(
            ["sh", "-c", script], env={"PATH": path, **environ, **more}, capture_output=True, timeout=60, check=False
        )

    return run


def test_a_reader_that_leaves_ends_the_command_without_a_word(shell: Shell) -> None:
    for command in ("get db", "get db --json", "list", "list --json", "--help"):
        done = shell(f"{{ sleep 0.5; holdfast {command}; echo $? >&2; }} | true")
        assert (done.stdout, done.stderr) == (b"", b"141\n"), command


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_an_answer_that_is_lost_is_said_to_be_lost(shell: Shell) -> None:
    done = shell("holdfast get db > /dev/full")
    assert done.returncode == 11
    assert done.stderr.decode() == (
        "holdfast get: The command is done, but its answer is lost: No space left on device on stdout. "
        "Make room, and ask again.\n"
    )
    done = shell("holdfast client add app --json > /dev/full")
    assert json.loads(done.stderr)["error"]["code"] == "output_lost"


def test_closed_streams(shell: Shell) -> None:
    done = shell("holdfast list >&-")
    assert done.returncode == 11
    assert b"stdout is closed" in done.stderr
    done = shell("holdfast set db <&-")
    assert done.returncode == 2
    assert b"There is no stdin" in done.stderr
    done = shell("holdfast list 2>&-")
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_what_is_done_is_done_though_nobody_hears_of_it(shell: Shell) -> None:
    assert shell("echo new | holdfast set db 2> /dev/full").returncode == 0
    assert shell("holdfast get db").stdout == b"new"


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("utf-8", "Grüße, 漢字"), ("ascii", "Grüße, 漢字"), ("latin-1", "Gr\xfc\xdfe, \\u6f22\\u5b57")],
)
def test_any_encoding_can_show_a_table(shell: Shell, encoding: str, shown: str) -> None:
    done = shell("holdfast list", PYTHONIOENCODING=encoding)
    assert done.returncode == 0
    assert shown in done.stdout.decode("latin-1" if encoding == "latin-1" else "utf-8")


@pytest.mark.parametrize(("text", "columns"), [("", 0), ("abc", 3), ("漢字", 4), ("e\N{COMBINING ACUTE ACCENT}", 1)])
def test_the_columns_a_text_takes(text: str, columns: int) -> None:
    assert streams.width(text) == columns
