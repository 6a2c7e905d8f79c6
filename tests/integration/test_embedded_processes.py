"""The embedded PostgreSQL is shared by processes, adopted or recovered after a kill, and never left behind."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import pytest

from holdfast.embedded import postmaster
from holdfast.embedded.account import server_account
from holdfast.embedded.folder import DataFolder
from holdfast.embedded.postgres import EmbeddedPostgres
from holdfast.errors import StartupError
from tests.support.postgres import execute, fetch
from tests.support.processes import kill, postmaster_pid, using


async def test_the_next_start_finds_the_data(stopped_folder: Path) -> None:
    server = EmbeddedPostgres(stopped_folder)
    await execute(await server.start(), "CREATE TABLE found AS SELECT generate_series(1, 1000)")
    await server.stop()
    assert postmaster.find(DataFolder(stopped_folder)) is None
    assert await fetch(await server.start(), "SELECT count(*) FROM found") == 1000
    await server.stop()


async def test_the_last_one_out_stops_the_server(stopped_folder: Path) -> None:
    first, second = EmbeddedPostgres(stopped_folder), EmbeddedPostgres(stopped_folder)
    await asyncio.gather(first.start(), second.start())
    pid = postmaster_pid(stopped_folder)
    await first.stop()
    assert await fetch(second.dsn, "SELECT 1") == 1
    assert postmaster_pid(stopped_folder) == pid
    await second.stop()
    assert postmaster.find(DataFolder(stopped_folder)) is None


async def test_other_processes_share_the_server_too(stopped_folder: Path) -> None:
    server = EmbeddedPostgres(stopped_folder)
    await server.start()
    pid = postmaster_pid(stopped_folder)
    with using(stopped_folder):
        assert postmaster_pid(stopped_folder) == pid
    assert await fetch(server.dsn, "SELECT 1") == 1
    await server.stop()


async def test_starting_twice_at_once_takes_one_share(stopped_folder: Path) -> None:
    server = EmbeddedPostgres(stopped_folder)
    assert len(set(await asyncio.gather(*(server.start() for _ in range(4))))) == 1
    await server.stop()
    await server.stop()
    assert postmaster.find(DataFolder(stopped_folder)) is None


async def test_the_dsn_is_refused_before_start(data_folder: Path) -> None:
    with pytest.raises(StartupError, match="not started"):
        _ = EmbeddedPostgres(data_folder).dsn


async def test_a_cancelled_start_leaves_no_server(data_folder: Path) -> None:
    server = EmbeddedPostgres(data_folder)
    starting = asyncio.ensure_future(server.start())
    await asyncio.sleep(0.01)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert postmaster.find(DataFolder(data_folder)) is None


async def test_sigterm_to_the_only_user_leaves_no_orphan(stopped_folder: Path) -> None:
    with using(stopped_folder):
        pid = postmaster_pid(stopped_folder)
    assert not Path(f"/proc/{pid}").exists()


async def test_ctrl_c_in_the_terminal_is_not_for_the_server(stopped_folder: Path) -> None:
    with using(stopped_folder) as process:
        pid = postmaster_pid(stopped_folder)
        assert os.getpgid(pid) != os.getpgid(process.pid)
        assert os.getsid(pid) != os.getsid(process.pid)


async def test_a_server_whose_starter_was_killed_is_adopted(stopped_folder: Path) -> None:
    with using(stopped_folder) as process:
        pid = postmaster_pid(stopped_folder)
        kill(process)
    server = EmbeddedPostgres(stopped_folder)
    await server.start()
    assert postmaster_pid(stopped_folder) == pid
    await server.stop()
    assert postmaster.find(DataFolder(stopped_folder)) is None


async def test_a_killed_server_recovers_with_its_data(stopped_folder: Path) -> None:
    server = EmbeddedPostgres(stopped_folder)
    await execute(await server.start(), "CREATE TABLE survived AS SELECT generate_series(1, 1000)")
    with using(stopped_folder) as process:
        os.kill(postmaster_pid(stopped_folder), signal.SIGKILL)
        kill(process)
    # The same instance notices as well: starting again brings the server back.
    assert await fetch(await server.start(), "SELECT count(*) FROM survived") == 1000
    await server.stop()


async def _check_start_beside_a_stranger(server: EmbeddedPostgres, file: Path, lines: list[str]) -> None:
    """The server starts although its file, with these lines, names a process of somebody else's, and spares it."""
    account = server_account()
    stranger = subprocess.Popen(["/bin/sleep", "60"], **account.spawn_options())
    try:
        file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        account.take(file)
        assert await fetch(await server.start(), "SELECT 1") == 1
        await server.stop()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


async def test_a_stale_pid_file_with_a_strangers_pid_harms_nobody(stopped_folder: Path) -> None:
    server = EmbeddedPostgres(stopped_folder)
    await server.start()
    lines = (stopped_folder / "postgres" / "postmaster.pid").read_text().splitlines()
    await server.stop()
    await _check_start_beside_a_stranger(server, stopped_folder / "postgres" / "postmaster.pid", lines)


async def test_a_stale_socket_lock_with_a_strangers_pid_is_no_obstacle(stopped_folder: Path) -> None:
    """In a container that starts again the numbers of its former life belong to others."""
    server = EmbeddedPostgres(stopped_folder)
    await server.start()
    (lock,) = (stopped_folder / "socket").glob(".s.PGSQL.*.lock")
    lines = lock.read_text().splitlines()
    await server.stop()
    await _check_start_beside_a_stranger(server, lock, lines)


async def test_a_server_on_its_way_down_is_waited_for(stopped_folder: Path) -> None:
    server = EmbeddedPostgres(stopped_folder)
    await server.start()
    pid = postmaster_pid(stopped_folder)
    os.kill(pid, signal.SIGINT)
    async with asyncio.timeout(30):  # until it has noticed
        while postmaster.is_ready(DataFolder(stopped_folder)):
            await asyncio.sleep(0.001)
    assert await fetch(await server.start(), "SELECT 1") == 1
    assert postmaster_pid(stopped_folder) != pid
    await server.stop()
