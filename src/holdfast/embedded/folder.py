"""The data folder: what lies where, and who may enter."""

import contextlib
import hashlib
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from holdfast.embedded.account import Account
from holdfast.errors import StartupError
from holdfast.resilience.ownership import changed_by_others

_MEND = "Choose another folder with HOLDFAST_DATA_DIR, or set DATABASE_URL to a PostgreSQL server of your own."

SOCKET_FOLDER_LIMIT_BYTES = 91
"""``sun_path`` is 108 bytes with its NUL (unix(7)); PostgreSQL appends ``/.s.PGSQL.5432``, and two to spare."""


@dataclass(frozen=True)
class DataFolder:
    """Names inside the data folder ``root``; making or checking them is :func:`prepare`'s work."""

    root: Path

    @property
    def cluster(self) -> Path:
        """The PostgreSQL cluster, complete from the moment it bears this name."""
        return self.root / "postgres"

    @property
    def unfinished_cluster(self) -> Path:
        """A cluster while it is being made."""
        return self.root / "postgres.unfinished"

    @property
    def password_file(self) -> Path:
        """The superuser's password, readable by the owner of the data folder only."""
        return self.root / "postgres.password"

    @property
    def log_file(self) -> Path:
        """What the server says since its last start; the start before that is kept beside it."""
        return self.root / "postgres.log"

    @property
    def socket_folder(self) -> Path:
        """Where the server listens: inside the data folder, or a short private folder if that is too long."""
        inside = self.root / "socket"
        if len(os.fsencode(inside)) <= SOCKET_FOLDER_LIMIT_BYTES:
            return inside
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        # Not tempfile.gettempdir(): processes with different TMPDIR must find the same socket.
        return Path("/tmp") / f"holdfast-{os.geteuid()}-{digest}"  # noqa: S108 - checked by private_folder


def prepare(root: Path) -> DataFolder:
    """Make the data folder if need be, and see that it is ours alone to arrange. Its parents stay as they are.

    Raises StartupError naming the folder and the mend.
    """
    try:
        root = root.resolve()
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = root.stat()
    except OSError as error:
        raise StartupError(f"The data folder {root} cannot be made ({error.strerror}). {_MEND}") from error
    if found.st_uid != os.geteuid():
        raise StartupError(f"The data folder {root} belongs to another user (id {found.st_uid}). {_MEND}")
    fault = changed_by_others(root)
    if fault is not None:
        raise StartupError(f"{fault} {_MEND}")
    if root == Path("/") or root in _homes():
        raise StartupError(f"The data folder must hold Holdfast's data alone, and {root} does not. {_MEND}")
    return DataFolder(root)


def admit(account: Account, folder: DataFolder) -> None:
    """Let the server's account reach its cluster: the one change is group passage (0710) on the data folder.

    Raises StartupError naming the parent folder that is closed to the account.
    """
    if not account.switched:
        return
    closed = account.first_closed(folder.root.parent)
    if closed is not None:
        raise StartupError(
            f"The data folder {folder.root} lies below {closed}, which the account {account.name!r} may not "
            f"pass; it runs PostgreSQL, because Holdfast runs as root. {_MEND}"
        )
    if account.first_closed(folder.root) is not None:
        os.chown(folder.root, -1, account.gid)
        folder.root.chmod(0o710)


def private_folder(path: Path, account: Account) -> Path:
    """Make ``path`` a folder that only ``account`` (and root) can enter, or check that it is one.

    Raises StartupError when something else is in its place.
    """
    try:
        path.mkdir(mode=0o700)
        account.take(path)
    except FileExistsError:
        pass
    check_private(path, account)
    return path


def check_private(path: Path, account: Account) -> None:
    """Raise StartupError unless ``path`` is a real folder, owned by ``account`` and closed to all others."""
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise StartupError(f"{path} is not a folder. Move it away, and start again.")
    if found.st_uid != account.uid or stat.S_IMODE(found.st_mode) & 0o077:
        raise StartupError(
            f"{path} must belong to {account.name!r} (id {account.uid}) with mode 0700; it belongs to id "
            f"{found.st_uid} with mode {stat.S_IMODE(found.st_mode):04o}. Find out who changed it, then restore "
            f"owner and mode, or move it away."
        )


def _homes() -> list[Path]:
    """The caller's home by the environment and by the account: under sudo they differ."""
    homes = []
    with contextlib.suppress(RuntimeError):
        homes.append(Path.home().resolve())
    with contextlib.suppress(KeyError):  # a container may run us under a number that has no entry
        homes.append(Path(pwd.getpwuid(os.geteuid()).pw_dir).resolve())
    return homes
