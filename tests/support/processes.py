"""Child processes that use a data folder as another Holdfast would, and that can be killed."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from holdfast.embedded import postmaster
from holdfast.embedded.folder import DataFolder

_USER = """
import asyncio, signal, sys
from pathlib import Path
from holdfast.embedded.postgres import EmbeddedPostgres

async def main():
    leave = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, leave.set)
    server = EmbeddedPostgres(Path(sys.argv[1]))
    await server.start()
    print("ready", flush=True)
    await leave.wait()
    await server.stop()

asyncio.run(main())
"""


@contextmanager
def using(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has started the embedded PostgreSQL in ``folder`` and stops it on SIGTERM; it leads its group."""
    process = subprocess.Popen(
        [sys.executable, "-c", _USER, str(folder)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stdout.close()


def kill(process: subprocess.Popen[str]) -> None:
    """End the process at once, as ``kill -9`` does."""
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)


def folder_of(dsn: str) -> Path:
    """The data folder of the embedded PostgreSQL that a DSN leads to."""
    return Path(parse_qs(urlsplit(dsn).query)["host"][0]).parent


def postmaster_pid(folder: Path) -> int:
    """The pid of the server that runs in ``folder``."""
    pid = postmaster.find(DataFolder(folder))
    assert pid is not None
    return pid
