"""``serve`` as a process: what it says, what its words are worth, and that it stops when told to."""

import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.runner import holdfast


@contextmanager
def serving(environ: dict[str, str], *options: str, as_json: bool = True) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from holdfast.cli.main import main; main()",
            "serve",
            *options,
            *(["--json"] if as_json else []),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], **environ},
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def facts_of(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if line == "}\n":
            break
    facts: dict[str, str] = json.loads(text)
    return facts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_says_where_it_is_and_stops_when_told_to(number: signal.Signals, data_folder: Path) -> None:
    environ = {"HOLDFAST_DATA_DIR": str(data_folder), "HOLDFAST_PORT": "0", "HOME": str(data_folder.parent)}
    with serving(environ) as process:
        facts = facts_of(process)
        context = ssl.create_default_context(cafile=facts["ca"])
        with urllib.request.urlopen(f"{facts['url']}/healthz", context=context, timeout=30) as answer:
            assert answer.status == 200
        assert holdfast("set", "db", stdin=b"c4n4ry", environ=environ).code == 0
        assert holdfast("get", "db", environ=environ).stdout == "c4n4ry"
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0
        assert err == ""
        assert "c4n4ry" not in out + err
    assert not (data_folder / "postgres" / "postmaster.pid").exists()
