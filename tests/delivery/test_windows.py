"""What the client and the command line do where the system lacks what Windows lacks.

No Windows is here: modules, functions and flags that it does not have are taken away, and files have its modes.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from holdfast.crypto.certificates import ServerCertificate, ensure_server_certificate
from tests.cli.test_remote import serving
from tests.support.folders import short_folder
from tests.support.reference import ROOT

_AS_WINDOWS = """
import asyncio, concurrent.futures, os, pathlib, signal, ssl, stat, subprocess, sys, tempfile, time
import aiohttp, click, cryptography.x509, msgspec, rich.console
sys.modules.update(dict.fromkeys(("fcntl", "grp", "pwd", "resource", "termios", "uvloop", "httptools")))
for module, names in {
    os: "O_NOFOLLOW O_CLOEXEC O_NONBLOCK O_DIRECTORY geteuid getuid getegid getgid fchmod chown pread pwrite fdatasync "
    "sysconf",
    signal: "SIGPIPE SIGXFSZ SIGHUP",
    time: "clock_gettime CLOCK_MONOTONIC CLOCK_BOOTTIME",
}.items():
    for name in names.split():
        delattr(module, name)
sys.platform = "win32"
"""
"""Libraries are loaded before: theirs for this system need it."""

_COMMAND = f"{_AS_WINDOWS}\nfrom holdfast.cli.main import run\nsys.exit(run(sys.argv[1:]))"

_CLIENT = f"""{_AS_WINDOWS}
import holdfast

async def main():
    async with holdfast.connect() as service:
        await service.set_secret("of-the-library", "a value")
        print((await service.get_secret("of-the-library")).value)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def certificate() -> Iterator[ServerCertificate]:
    with short_folder() as folder:
        yield ensure_server_certificate(folder / "tls", [], now=datetime.now(UTC))


def done(program: str, *args: str, environ: Mapping[str, str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *args],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT / "src"), **environ},
        input=stdin,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("args", [("--version",), ("--help",), ("scan", "--help"), ("import", "--help")])
def test_help_needs_nothing_that_windows_lacks(args: tuple[str, ...], tmp_path: Path) -> None:
    said = done(_COMMAND, *args, environ={"USERPROFILE": str(tmp_path)})
    assert (said.returncode, said.stderr) == (0, "")


def test_modes_that_windows_makes_up_close_no_file(tmp_path: Path) -> None:
    """Every file that can be written has mode 0666 there."""
    file = tmp_path / "ca.pem"
    file.write_text("x")
    file.chmod(0o666)
    program = f"{_AS_WINDOWS}\nfrom holdfast.config.parsing import private_file, shown_file\n"
    said = done(f"{program}print(shown_file(sys.argv[1]) == private_file(sys.argv[1]))", str(file), environ={})
    assert said.stdout == "True\n", said.stderr


def test_commands_and_the_library_work_against_a_server(
    database_url: str, tmp_path: Path, certificate: ServerCertificate
) -> None:
    with serving(database_url, tmp_path, certificate) as environ:
        assert done(_COMMAND, "set", "from-afar", environ=environ, stdin="a value").returncode == 0
        said = done(_COMMAND, "get", "from-afar", environ=environ)
        assert (said.returncode, said.stdout) == (0, "a value"), said.stderr
        program = tmp_path / "tool.exe"
        program.write_text('#!/bin/sh\necho "$FROM_AFAR"; exit 3\n')
        program.chmod(0o755)
        said = done(_COMMAND, "run", "--secret", "FROM_AFAR=from-afar", "--", str(program), environ=environ)
        assert (said.returncode, said.stdout) == (3, "a value\n"), said.stderr
        file = tmp_path / "kept.env"
        said = done(_COMMAND, "export", "from-afar", "--format", "dotenv", "--output", str(file), environ=environ)
        assert "a value" in file.read_text(), said.stderr
        said = done(_CLIENT, environ=environ)
        assert (said.returncode, said.stdout) == (0, "a value\n"), said.stderr


def test_what_a_login_keeps_is_used_whatever_modes_files_have(
    database_url: str, tmp_path: Path, certificate: ServerCertificate
) -> None:
    with serving(database_url, tmp_path, certificate) as environ:
        there = {each: environ[each] for each in ("HOLDFAST_ADDR", "HOLDFAST_CACERT")}
        profile = {"HOME": str(tmp_path / "profile")}
        (tmp_path / "profile").mkdir()
        said = done(_COMMAND, "login", environ={**there, **profile}, stdin=environ["HOLDFAST_TOKEN"])
        assert said.returncode == 0, said.stderr
        (kept,) = (each for each in (tmp_path / "profile").rglob("*") if each.is_file())
        kept.chmod(0o666)
        said = done(_COMMAND, "list", environ={"HOLDFAST_ADDR": environ["HOLDFAST_ADDR"], **profile})
        assert said.returncode == 0, said.stderr


@pytest.mark.parametrize("command", [("serve",), ("init",)])
def test_a_node_is_refused_with_what_to_do(command: tuple[str, ...], tmp_path: Path) -> None:
    said = done(_COMMAND, *command, environ={"USERPROFILE": str(tmp_path)})
    assert (said.returncode, "needs Linux or macOS" in said.stderr, "HOLDFAST_ADDR" in said.stderr) == (9, True, True)
