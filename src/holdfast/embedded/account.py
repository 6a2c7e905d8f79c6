"""The operating-system account that runs the embedded PostgreSQL.

PostgreSQL refuses to run as root, rightly. When Holdfast itself runs as root it hands the server to a system
account of its own; in every other case the server runs as whoever runs Holdfast.
"""

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from holdfast.errors import StartupError

ACCOUNT_NAME = "holdfast"

CLEAN_ENVIRONMENT = {"LC_ALL": "C"}
"""All that our child processes inherit: no ``PG*`` variable, no path, no setting that belongs to the caller."""


class SpawnOptions(TypedDict, total=False):
    """The arguments of ``subprocess`` that switch the account."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Account:
    """Who runs the server. ``switched``: it is another account than the one that runs Holdfast."""

    name: str
    uid: int
    gid: int
    switched: bool

    def spawn_options(self) -> SpawnOptions:
        """Arguments for ``subprocess`` that make the child run as this account, without our groups."""
        return SpawnOptions(user=self.uid, group=self.gid, extra_groups=[]) if self.switched else SpawnOptions()

    def take(self, path: Path) -> None:
        """Give the file or folder at ``path`` to this account."""
        if self.switched:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def first_closed(self, folder: Path) -> Path | None:
        """The topmost of ``folder`` and the folders above it that this account may not pass, or None."""
        return next((step for step in (*reversed(folder.parents), folder) if not self._permits(step, 0o1)), None)

    def may_read(self, path: Path) -> bool:
        """Whether this account may read the file at ``path`` and pass every folder above it."""
        return self.first_closed(path.parent) is None and self._permits(path, 0o4)

    def _permits(self, path: Path, wanted: int) -> bool:
        found = path.stat()
        if found.st_uid == self.uid:
            granted = found.st_mode >> 6
        elif found.st_gid == self.gid:
            granted = found.st_mode >> 3
        else:
            granted = found.st_mode
        return stat.S_IMODE(granted) & wanted == wanted


def server_account() -> Account:
    """The account that the server is to run as; as root, made when it does not exist yet.

    Raises StartupError when it cannot be made or is root in disguise.
    """
    if os.geteuid() != 0:
        return Account(_own_name(), os.geteuid(), os.getegid(), switched=False)
    entry = _lookup() or _create()
    if entry.pw_uid == 0:
        raise StartupError(
            f"The account {ACCOUNT_NAME!r} is root under another name, and PostgreSQL does not run as root. "
            f"Give it a user id of its own, or run Holdfast as an ordinary user."
        )
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, switched=True)


def _own_name() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container may run us under a number that has no entry
        return str(os.geteuid())


def _lookup() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(ACCOUNT_NAME)
    except KeyError:
        return None


def _create() -> pwd.struct_passwd:
    command = [
        shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin") or "useradd",
        *("--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"),
        *("--shell", "/usr/sbin/nologin", ACCOUNT_NAME),
    ]
    try:
        made = subprocess.run(command, env=CLEAN_ENVIRONMENT, capture_output=True, text=True, check=False)
        reason = made.stderr.strip()
    except OSError as error:
        reason = str(error)
    entry = _lookup()  # present as well when another process of ours made it first
    if entry is None:
        raise StartupError(
            f"PostgreSQL does not run as root, and the system account {ACCOUNT_NAME!r} could not be made "
            f"({reason}). Make it yourself (useradd --system {ACCOUNT_NAME}), run Holdfast as an ordinary user, "
            f"or set DATABASE_URL to a PostgreSQL server of your own."
        )
    return entry
