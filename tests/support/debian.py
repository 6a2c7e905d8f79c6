"""Real servers that are no wheels: Debian's packages, installed by ``make services``.

A test that needs one is marked ``services("package", …)``. Where a package is not installed its tests are left out, and
one line at the end of the run says so.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

PROGRAMS: Final[Mapping[str, Sequence[str]]] = {
    "mariadb-server": ("mariadbd", "mariadb-install-db"),
    "rabbitmq-server": ("rabbitmq-server", "erl", "epmd"),
    "prometheus": ("prometheus", "promtool"),
    "pgbouncer": ("pgbouncer",),
}
"""What of each package is used here."""

LEFT_OUT: Final = "needs Debian's "
"""How the reason of a test begins that was left out; the packages follow."""

_FOLDERS: Final = (*("/usr/lib/rabbitmq/bin", "/usr/sbin", "/sbin"), *os.environ.get("PATH", os.defpath).split(":"))
_PATIENCE_S: Final = 60


def program(name: str) -> str | None:
    """The path of a program; RabbitMQ's own script before Debian's, which changes the account."""
    return shutil.which(name, path=os.pathsep.join(_FOLDERS))


def installed(package: str) -> bool:
    """Whether all its programs are there."""
    return all(program(name) is not None for name in PROGRAMS[package])


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str | Path], log: Path, answers: Callable[[], bool], environ: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A server that answers; ended with all that it started."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environ, start_new_session=True
        )
    try:
        _wait(process, log, answers)
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its own group; nothing it keeps is needed again
        process.wait(timeout=_PATIENCE_S)


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait(process: subprocess.Popen[bytes], log: Path, answers: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not answers():
        assert process.poll() is None, f"the server ended: {log.read_text(errors='replace')[-2000:]}"
        assert time.monotonic() < deadline, f"the server does not answer: {log.read_text(errors='replace')[-2000:]}"
        time.sleep(0.05)
