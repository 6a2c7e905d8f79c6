"""What a process believes of its clock and its disk: ``shim.c``, loaded before its C library."""

import errno
import mmap
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory
from typing import Final

_TOLD: Final = struct.Struct("=qqq")
_SOURCE: Final = Path(__file__).with_suffix(".c")
_KEPT: Final = TemporaryDirectory(prefix="shim-")


def there_is_a_compiler() -> bool:
    """Whether processes can be told anything but the truth here."""
    return which("cc") is not None


@cache
def library() -> Path:
    """The shim, compiled once for this process; see ``there_is_a_compiler``."""
    made = Path(_KEPT.name) / "shim.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-Wall", "-Werror", "-o", made, _SOURCE, "-ldl"], check=True)
    return made


class Shim:
    """What one process is told, at first the truth. ``file``: where it looks it up."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.write_bytes(bytes(mmap.PAGESIZE))

    def environ(self) -> dict[str, str]:
        """What a process is started with to be told this; nothing, where there is no compiler."""
        if not there_is_a_compiler():
            return {}
        return {"LD_PRELOAD": str(library()), "HISTORY_SHIM": str(self._file)}

    @contextmanager
    def told(self, *, ahead_s: float = 0.0, sync_fails: bool = False, full: bool = False) -> Iterator[None]:
        """Say for a while that the clock is ahead, that ``fsync`` fails, or that audit records have no room.

        Raises:
            FileNotFoundError: there is no C compiler, so no one would hear it.
        """
        if not there_is_a_compiler():
            raise FileNotFoundError("this fault needs a C compiler, as cc")
        self._tell(int(ahead_s * 1e9), errno.EIO if sync_fails else 0, int(full))
        try:
            yield
        finally:
            self._tell(0, 0, 0)

    def _tell(self, *told: int) -> None:
        with self._file.open("r+b") as file:
            file.write(_TOLD.pack(*told))
