"""Who uses a data folder, told by ``flock``: the kernel lets go of it however a process ends.

Python's file descriptors are not inherited by child processes, so the server never keeps a lock alive.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from holdfast.errors import StartupError

_POLL_S = 0.02


class UserLock:
    """One process's share in the data folder: held as long as it uses the server."""

    def __init__(self, path: Path) -> None:
        self._descriptor = _open(path)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def is_last(self) -> bool:
        """Whether nobody else holds a share. To be asked under the start lock, and only on the way out."""
        return _try_exclusive(self._descriptor)

    def release(self) -> None:
        """Give the share back."""
        os.close(self._descriptor)


@contextmanager
def start_lock(path: Path, *, patience_s: float) -> Iterator[None]:
    """Hold the exclusive right to start or stop the server; raise StartupError after ``patience_s`` seconds."""
    descriptor = _open(path)
    try:
        deadline = time.monotonic() + patience_s
        while not _try_exclusive(descriptor):
            if time.monotonic() > deadline:
                raise StartupError(
                    f"Another process has been starting or stopping the PostgreSQL of {path.parent} for "
                    f"{patience_s:.0f} s. See {path.parent / 'postgres.log'}, or try again."
                )
            time.sleep(_POLL_S)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _try_exclusive(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
