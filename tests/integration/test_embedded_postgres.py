"""The embedded PostgreSQL is closed to everybody but the Holdfast that owns its data folder."""

import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from holdfast.embedded import postmaster
from holdfast.embedded.account import server_account
from holdfast.embedded.folder import DataFolder
from holdfast.embedded.postgres import EmbeddedPostgres
from tests.support.folders import mode
from tests.support.postgres import execute, fetch
from tests.support.processes import postmaster_pid

AS_ROOT = os.geteuid() == 0

# --- what is made, and for whom ---


async def test_the_server_is_postgresql_18_with_checksums_and_utf8(dsn: str) -> None:
    assert str(await fetch(dsn, "SHOW server_version")).startswith("18.")
    assert await fetch(dsn, "SHOW data_checksums") == "on"
    assert await fetch(dsn, "SHOW server_encoding") == "UTF8"
    assert await fetch(dsn, "SHOW fsync") == "on"
    assert await fetch(dsn, "SHOW synchronous_commit") == "on"
    assert await fetch(dsn, "SELECT current_database() || ' ' || current_user") == "holdfast holdfast"


async def test_cluster_socket_and_password_are_closed_to_others(dsn: str, running_folder: Path) -> None:
    account = server_account()
    for private in (running_folder / "postgres", running_folder / "socket"):
        assert mode(private) == 0o700
        assert private.stat().st_uid == account.uid
    password = running_folder / "postgres.password"
    assert mode(password) == 0o600
    assert password.stat().st_uid == os.geteuid()
    assert mode(running_folder) == (0o710 if AS_ROOT else 0o700)
    assert mode(running_folder / "postgres.log") == 0o600


async def test_no_mode_above_the_data_folder_changes(data_folder: Path) -> None:
    parents = {parent: (mode(parent), parent.stat().st_uid, parent.stat().st_gid) for parent in data_folder.parents}
    server = EmbeddedPostgres(data_folder)
    await server.start()
    await server.stop()
    assert parents == {p: (mode(p), p.stat().st_uid, p.stat().st_gid) for p in data_folder.parents}


async def test_the_password_is_not_on_any_command_line(dsn: str, running_folder: Path) -> None:
    password = (running_folder / "postgres.password").read_bytes()
    assert len(password) >= 32
    assert password not in Path(f"/proc/{postmaster_pid(running_folder)}/cmdline").read_bytes()
    assert not (running_folder / "postgres.pwfile").exists()


async def test_nothing_of_the_callers_environment_or_files_reaches_the_server(dsn: str, running_folder: Path) -> None:
    process = Path(f"/proc/{postmaster_pid(running_folder)}")
    inherited = {entry.split(b"=")[0] for entry in process.joinpath("environ").read_bytes().split(b"\0") if entry}
    assert inherited <= {b"LC_ALL", b"PGLOCALEDIR", b"PGSYSCONFDIR"}
    opened = {str(descriptor.readlink()) for descriptor in (process / "fd").iterdir()}
    assert not {str(running_folder / "lock"), str(running_folder / "start.lock")} & opened


async def test_statements_and_values_stay_out_of_the_log(dsn: str, running_folder: Path) -> None:
    await execute(dsn, "CREATE TABLE t (v text UNIQUE)", "INSERT INTO t VALUES ('canary-8d1f')")
    with pytest.raises(asyncpg.UniqueViolationError):
        await execute(dsn, "INSERT INTO t VALUES ('canary-8d1f')")
    assert "canary-8d1f" not in (running_folder / "postgres.log").read_text()


async def test_only_the_log_of_the_last_two_starts_is_kept(used_folder: Path) -> None:
    server = EmbeddedPostgres(used_folder)
    for _ in range(3):
        await server.start()
        await server.stop()
    logs = sorted(path.name for path in used_folder.glob("postgres.log*"))
    assert logs == ["postgres.log", "postgres.log.1"]
    assert (used_folder / "postgres.log").read_text().count("starting PostgreSQL") == 1


# --- who gets in ---


@pytest.mark.parametrize("spoilt", [b"\xff\xfe\0junk", b"\0" * 40, b"", "\N{SUPERSCRIPT TWO}\n".encode()])
def test_a_spoilt_pid_file_names_no_server(tmp_path: Path, spoilt: bytes) -> None:
    folder = DataFolder(tmp_path)
    folder.cluster.mkdir(parents=True)
    (folder.cluster / "postmaster.pid").write_bytes(spoilt)
    assert postmaster.find(folder) is None
    assert not postmaster.is_ready(folder)


async def test_there_is_no_tcp_port(dsn: str, running_folder: Path) -> None:
    descriptors = Path(f"/proc/{postmaster_pid(running_folder)}/fd").iterdir()
    held = {link[8:-1] for fd in descriptors if (link := str(fd.readlink())).startswith("socket:[")}
    rows = [row.split() for table in ("tcp", "tcp6") for row in Path("/proc/net", table).read_text().splitlines()[1:]]
    assert held, "the listening Unix socket at least"
    assert not held & {row[9] for row in rows}


@pytest.mark.parametrize("password", ["wrong", ""])
async def test_a_wrong_or_missing_password_is_refused(dsn: str, password: str) -> None:
    right = dsn.split("holdfast:")[1].split("@", maxsplit=1)[0]
    dsn = dsn.replace(f":{right}@", f":{password}@" if password else "@")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(dsn)


_STRANGER = """
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
for path in sys.argv[2:]:
    try:
        open(path).close()
    except PermissionError:
        pass
    else:
        sys.exit(f"{path} is readable")
with socket.socket(socket.AF_UNIX) as probe:
    try:
        probe.connect(sys.argv[1])
    except PermissionError:
        print("refused")
"""


async def test_another_local_account_cannot_reach_the_server(dsn: str, running_folder: Path) -> None:
    files = [
        running_folder / "postgres.password",
        running_folder / "postgres" / "PG_VERSION",
        running_folder / "postgres.log",
    ]
    socket = running_folder / "socket" / ".s.PGSQL.5432"
    if AS_ROOT:
        command = [sys.executable, "-c", _STRANGER, str(socket), *map(str, files)]
        tried = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (tried.stdout, tried.stderr) == ("refused\n", "")
    else:  # we cannot become somebody else; what keeps them out are these modes
        assert [mode(path) & 0o077 for path in (*files, socket.parent)] == [0] * 4
