"""A PostgreSQL for tests that ask nothing of its durability: made once for a run, and it never waits for a disk."""

import asyncio
import fcntl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from holdfast.embedded import postmaster
from holdfast.embedded.account import CLEAN_ENVIRONMENT, server_account
from holdfast.embedded.binaries import reachable_binaries, wheel_binaries
from holdfast.embedded.cluster import ensure_cluster
from holdfast.embedded.folder import DataFolder, admit, prepare, private_folder
from holdfast.embedded.postgres import EmbeddedPostgres
from tests.support.folders import short_folder
from tests.support.postgres import execute, fetch, make_template

QUICK: Final = ("fsync = off", "full_page_writes = off", "file_copy_method = clone")
"""The last lets the kernel copy the files of a template."""

_OURS_ALONE: Final = ("fsync",)
"""What Holdfast's own server is told on its command line, where the cluster's file has no say any more."""


@asynccontextmanager
async def quick_postgres(shared: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A server with the migrated template in it. ``shared``: the folder of the run, where its cluster is kept."""
    with short_folder() as folder:
        original = await _made_once(shared, folder)
        subprocess.run(["/bin/cp", "-a", original, folder / "data"], check=True)
        async with _running(folder / "data") as server:
            yield server


async def _made_once(shared: Path, folder: Path) -> Path:
    made = shared / "postgres"
    with _one_at_a_time(shared / "postgres.lock"):
        if not made.exists():
            async with _running(folder / "first") as server:
                await make_template(server.dsn)
            subprocess.run(["/bin/mv", folder / "first", made], check=True)  # keeps owners, between disks too
    return made


@contextmanager
def _one_at_a_time(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@asynccontextmanager
async def _running(root: Path) -> AsyncIterator[EmbeddedPostgres]:
    """Started here, with settings of its own, and joined as one that runs already."""
    process = _start(prepare(root))
    server = EmbeddedPostgres(root)
    try:
        await server.start()
        yield server
    finally:
        await server.stop()
        process.wait(timeout=postmaster.STOP_PATIENCE_S)


def _start(folder: DataFolder) -> "subprocess.Popen[bytes]":
    account = server_account()
    admit(account, folder)
    binaries = reachable_binaries(wheel_binaries(), account, folder)
    private_folder(folder.socket_folder, account)
    if not folder.cluster.exists():
        ensure_cluster(folder, account, binaries)
        with (folder.cluster / "postgresql.conf").open("a") as file:
            file.write("\n".join(("", *QUICK, "")))
    settings = {name: value for name, value in postmaster._SETTINGS.items() if name not in _OURS_ALONE}
    command: list[str | Path] = [
        *(binaries.program("postgres"), "-D", folder.cluster, "-k", folder.socket_folder),
        *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
    ]
    with folder.log_file.open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder.cluster,
            env=CLEAN_ENVIRONMENT,
            start_new_session=True,
            **account.spawn_options(),
        )


@asynccontextmanager
async def durable(dsn: str) -> AsyncIterator[None]:
    """Let a quick server be as durable as one has to be, for those who look."""
    names = [each.partition(" ")[0] for each in QUICK if each.endswith("off")]
    await _changed(dsn, *(f"ALTER SYSTEM SET {name} = on" for name in names), shows="on")
    yield
    await _changed(dsn, *(f"ALTER SYSTEM RESET {name}" for name in names), shows="off")


async def _changed(dsn: str, *statements: str, shows: str) -> None:
    await execute(dsn, *statements, "SELECT pg_reload_conf()")
    while await fetch(dsn, f"SHOW {_OURS_ALONE[0]}") != shows:
        await asyncio.sleep(0.01)
