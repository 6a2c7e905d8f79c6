"""Folders for servers under test.

pytest's ``tmp_path`` is closed (0700) to the account that runs PostgreSQL under root, and too long for a socket. They
are kept in memory where there is room: most of what a disk costs is for files that live as long as one test.
"""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

_IN_MEMORY: Final = Path("/dev/shm")
_ROOM: Final = 4 << 30
"""In bytes. The runs of one machine share it, and containers have 64 MiB unless they ask for more."""


def of_this_process() -> Path:
    """How the paths of all short folders of this process begin."""
    return _place() / f"hf-{os.getpid()}-"


@cache
def _place() -> Path:
    return _IN_MEMORY if _roomy(_IN_MEMORY) else Path("/tmp")


def _roomy(folder: Path) -> bool:
    try:
        about = os.statvfs(folder)
    except OSError:
        return False
    runs_programs = not about.f_flag & os.ST_NOEXEC
    return runs_programs and os.access(folder, os.W_OK) and about.f_bavail * about.f_frsize >= _ROOM


@contextmanager
def short_folder() -> Iterator[Path]:
    """A short-named folder that other accounts may pass; removed afterwards."""
    beginning = of_this_process()
    folder = Path(tempfile.mkdtemp(prefix=beginning.name, dir=beginning.parent))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def mode(path: Path) -> int:
    """The permission bits of ``path``."""
    return stat.S_IMODE(path.stat().st_mode)
