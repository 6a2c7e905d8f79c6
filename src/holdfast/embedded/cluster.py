"""Making and checking a PostgreSQL cluster: what is on disk, never what runs."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from holdfast.embedded.account import CLEAN_ENVIRONMENT, Account
from holdfast.embedded.binaries import MAJOR_VERSION, Binaries
from holdfast.embedded.folder import DataFolder, check_private, private_folder
from holdfast.errors import StartupError
from holdfast.resilience.durable import sync_folder

SUPERUSER = "holdfast"
DATABASE = "holdfast"


def read_password(folder: DataFolder) -> str:
    """The superuser's password. Raises StartupError when its file is gone."""
    try:
        return folder.password_file.read_text("ascii")
    except FileNotFoundError as error:
        raise StartupError(
            f"{folder.password_file} is gone, and with it the password of the cluster beside it. Restore the file "
            f"from a backup of the data folder; the data itself is untouched."
        ) from error


def ensure_cluster(folder: DataFolder, account: Account, binaries: Binaries) -> None:
    """Make the cluster on first use; afterwards check that it is ours and of our version (StartupError)."""
    if not folder.cluster.exists():
        _make(folder, account, binaries)
    check_private(folder.cluster, account)
    read_password(folder)
    version = (folder.cluster / "PG_VERSION").read_text("ascii").strip()
    if version != MAJOR_VERSION:
        raise StartupError(
            f"{folder.cluster} was written by PostgreSQL {version}, and this Holdfast brings {MAJOR_VERSION}. "
            f"Dump it with the Holdfast that made it and load it into a new data folder."
        )


def _make(folder: DataFolder, account: Account, binaries: Binaries) -> None:
    """Make the cluster under another name and rename it, so that a crash leaves none or a whole one."""
    target = folder.unfinished_cluster
    shutil.rmtree(target, ignore_errors=True)
    private_folder(target, account)
    password = _new_password(folder)
    pwfile = target.with_name("postgres.pwfile")
    try:
        _write_private(pwfile, password)
        account.take(pwfile)
        _run(account, _initdb_command(binaries, target, pwfile))
    finally:
        pwfile.unlink(missing_ok=True)
    # Single-user mode needs no password, no socket and no other process.
    single: list[str | Path] = [binaries.program("postgres"), "--single", "-D", target, "postgres"]
    _run(account, single, statement=f"CREATE DATABASE {DATABASE}\n")
    target.rename(folder.cluster)
    sync_folder(folder.root)


def _initdb_command(binaries: Binaries, target: Path, pwfile: Path) -> list[str | Path]:
    return [
        *(binaries.program("initdb"), "-D", target, f"--username={SUPERUSER}", f"--pwfile={pwfile}"),
        *("--auth-local=scram-sha-256", "--auth-host=reject", "--data-checksums"),
        *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
    ]


def _run(account: Account, command: Sequence[str | Path], *, statement: str = "") -> None:
    try:
        done = subprocess.run(
            command,
            input=statement,
            env=CLEAN_ENVIRONMENT,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            **account.spawn_options(),
        )
    except OSError as error:
        raise StartupError(f"{command[0]} cannot be run as {account.name!r}: {error}") from error
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
        raise StartupError(f"PostgreSQL's cluster could not be made; {Path(command[0]).name} said:\n{said}")


def _new_password(folder: DataFolder) -> str:
    password = secrets.token_urlsafe(32)
    _write_private(folder.password_file, password)
    return password


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
