"""The running server: found by its recorded pid, verified before it is trusted or signalled, started, stopped.

``postmaster.pid`` (PostgreSQL's own file in the cluster) says which process serves it: line 1 the pid, line 8 the
state. The pid alone proves nothing, since numbers come round again; the command line of that process does.
"""

import contextlib
import os
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

from holdfast.embedded.account import CLEAN_ENVIRONMENT, Account
from holdfast.embedded.binaries import Binaries
from holdfast.embedded.folder import DataFolder
from holdfast.errors import StartupError

PORT = 5432
"""Only a part of the socket's name: nothing listens on TCP."""

READY_PATIENCE_S = 120.0
"""Crash recovery replays at most ``max_wal_size`` of log, which slow disks take their time for."""

STOP_PATIENCE_S = 60.0

_POLL_S = 0.01

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""PostgreSQL's protocol, 54.7 "SSLRequest": any server answers it with one byte, before authentication."""

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "io_method": "sync",  # spares three idle worker processes
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Neither statements nor the values in their errors belong in a log file of a secrets service.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "log_autovacuum_min_duration": "-1",
}


def find(folder: DataFolder) -> int | None:
    """The pid of the postmaster of this very cluster, or None. Never a pid that was not verified."""
    lines = _pid_file_lines(folder)
    if not lines or not lines[0].isdigit():
        return None
    pid = int(lines[0])
    return pid if _serves(pid, folder) else None


def is_ready(folder: DataFolder) -> bool:
    """Whether the server takes connections: it says so itself and answers on its socket."""
    lines = _pid_file_lines(folder)
    return len(lines) >= 8 and lines[7].strip() == "ready" and answers(folder)


def answers(folder: DataFolder) -> bool:
    """Whether a PostgreSQL answers on the socket of this data folder, whoever runs it."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(5)
        probe.connect(os.fspath(folder.socket_folder / f".s.PGSQL.{PORT}"))
        probe.sendall(_SSL_REQUEST)
        return probe.recv(1) in (b"N", b"S")
    return False


def start(folder: DataFolder, account: Account, binaries: Binaries) -> subprocess.Popen[bytes]:
    """Start the server in a session of its own (Ctrl-C is not for it) and return as soon as it runs.

    To be called when :func:`adopt` said that there is none. Raises StartupError.
    """
    _clear_stale_pid_file(folder)
    settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
    command: list[str | Path] = [
        binaries.program("postgres"),
        "-D",
        folder.cluster,
        "-k",
        folder.socket_folder,
        *settings,
    ]
    with contextlib.suppress(FileNotFoundError):
        folder.log_file.replace(folder.log_file.with_suffix(".log.1"))
    log = os.open(folder.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
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
    except OSError as error:
        raise StartupError(f"PostgreSQL cannot be run as {account.name!r}: {error}") from error
    finally:
        os.close(log)


def wait_until_ready(folder: DataFolder, process: subprocess.Popen[bytes]) -> None:
    """Return when the started server takes connections; raise StartupError when it ends or takes too long."""
    deadline = time.monotonic() + READY_PATIENCE_S
    while not is_ready(folder):
        if process.poll() is not None:
            raise StartupError(f"PostgreSQL did not start. {folder.log_file} ends with:\n{_log_tail(folder)}")
        _pause_until(deadline, READY_PATIENCE_S, f"PostgreSQL was not ready, {folder.log_file} says why")


def adopt(folder: DataFolder) -> bool:
    """Whether a server already runs and is ready; one on its way up or down is waited for.

    False means that nothing is left of any server, not even a child that outlived it. Raises StartupError after
    ``READY_PATIENCE_S`` seconds of neither.
    """
    deadline = time.monotonic() + READY_PATIENCE_S
    while (pid := find(folder)) or _processes_in(folder.cluster):
        if pid and is_ready(folder):
            return True
        _pause_until(deadline, READY_PATIENCE_S, f"A PostgreSQL in {folder.cluster} neither served nor ended")
    return False


def stop(folder: DataFolder) -> None:
    """Stop the server if it runs: fast shutdown, sessions are ended, everything is on disk on return.

    Raises StartupError when it does not end; it is never killed, for that would only move the work to recovery.
    """
    pid = find(folder)
    if pid is None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGINT)
    deadline = time.monotonic() + STOP_PATIENCE_S
    while _serves(pid, folder):
        _pause_until(deadline, STOP_PATIENCE_S, f"PostgreSQL (pid {pid}) did not stop, {folder.log_file} says why")


def _pause_until(deadline: float, patience_s: float, what: str) -> None:
    if time.monotonic() > deadline:
        raise StartupError(f"{what}; given up after {patience_s:.0f} s. If it is still at work, try again later.")
    time.sleep(_POLL_S)


def _serves(pid: int, folder: DataFolder) -> bool:
    """Whether ``pid`` is a postmaster of this cluster. A zombie has no command line, and so is not."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return arguments[0].endswith(b"/bin/postgres") and arguments[1:3] == [b"-D", os.fsencode(folder.cluster)]


def _clear_stale_pid_file(folder: DataFolder) -> None:
    """Remove the pid file and the socket's lock of a dead server, whose number may belong to a stranger by now.

    PostgreSQL's guard against two servers on one cluster lies in those files; :func:`adopt` has seen to it that no
    process of the old server is left, and the socket tells of one that we cannot see.
    """
    if answers(folder):
        raise StartupError(
            f"A PostgreSQL answers in {folder.socket_folder}, but its process cannot be seen from here. Stop the "
            f"other container that uses {folder.root}, or choose another folder with HOLDFAST_DATA_DIR."
        )
    (folder.cluster / "postmaster.pid").unlink(missing_ok=True)
    (folder.socket_folder / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)


def _processes_in(cluster: Path) -> list[int]:
    """Every server process has its cluster as working folder, whatever else it does."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if (entry / "cwd").readlink() == cluster and _is_postgres(entry):
                    found.append(int(entry.name))
    return found


def _is_postgres(process: Path) -> bool:
    """The kernel's name of the process, so that a shell that happens to stand in the folder does not count."""
    return (process / "comm").read_text().strip() == "postgres"


def _pid_file_lines(folder: DataFolder) -> list[str]:
    try:
        # No matter who spoilt the file: PostgreSQL ends when it finds out, within a minute.
        return (folder.cluster / "postmaster.pid").read_text("ascii", "replace").splitlines()
    except FileNotFoundError:
        return []


def _log_tail(folder: DataFolder) -> str:
    return "\n".join(folder.log_file.read_text("utf-8", "replace").splitlines()[-5:])
