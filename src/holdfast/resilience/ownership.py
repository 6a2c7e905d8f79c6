"""Who may change what lies on the disk: what decides who is let in must be this user's, or root's, to change."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

from holdfast.resilience.windows import AS_IT_IS, NO_LINK, WINDOWS

OTHERS_WRITE: Final = 0o022
"""An access list that lets others write shows in the bits of the group too (acl(5), "mask")."""

_ROOT: Final = 0


def open_file(path: Path) -> BinaryIO:
    """Open a regular file to read; a pipe or a device, which may never end or begin, is not waited for.

    Raises:
        OSError: it cannot be opened, or is something else.
    """
    opened = os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | AS_IT_IS), "rb")
    if stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
        return opened
    opened.close()
    raise OSError(errno.EINVAL, "not a regular file", str(path))


def new_file(path: Path) -> BinaryIO:
    """Make a file that only this user reads, where there is nothing yet, not even a link, and open it to write.

    Raises:
        FileExistsError: something is there.
        OSError: it cannot be made.
    """
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK | AS_IT_IS, 0o600), "wb")


def changed_by_others(path: Path) -> str | None:
    """Return how others may change a file or folder, and the fix, as a sentence; None: no one may, or it is not there.

    Where a link leads counts as well as whose it is, and of a file also who may put another one into its folder.

    Raises:
        OSError: it cannot be looked at.
    """
    if WINDOWS:
        return None
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            path.stat()  # links in a circle are an OSError here
            return _foreign(path, found) or _replaced(path) or changed_by_others(path.resolve(strict=True))
    except FileNotFoundError:
        return None
    return fault_of(path, found) or (None if stat.S_ISDIR(found.st_mode) else _replaced(path))


def fault_of(path: Path, found: os.stat_result) -> str | None:
    """The same of what was found at a path, by itself."""
    if found.st_mode & OTHERS_WRITE:
        return (
            f"{path} may be changed by others (mode {stat.S_IMODE(found.st_mode):04o}): `chmod go-w {path}`, once you "
            "know that what is there is yours."
        )
    return _foreign(path, found)


def _replaced(path: Path) -> str | None:
    """Who writes to a folder replaces what is in it; with the sticky bit only its owner does, and a file's."""
    folder = path.parent
    found = folder.stat()
    return _foreign(folder, found) if found.st_mode & stat.S_ISVTX else fault_of(folder, found)


def _foreign(path: Path, found: os.stat_result) -> str | None:
    user = os.geteuid()
    if found.st_uid in (user, _ROOT):
        return None
    return (
        f"{path} belongs to user {found.st_uid}, who may change it, and this is user {user}: run as its owner, or "
        f"`chown {user} {path}`, once you know that what is there is yours."
    )
