"""Folders for servers under test.

pytest's ``tmp_path`` is closed (0700) to the account that runs PostgreSQL under root, and too long for a socket.
"""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def of_this_process() -> Path:
    """How the paths of all short folders of this process begin."""
    return Path(f"/tmp/hf-{os.getpid()}-")


@contextmanager
def short_folder() -> Iterator[Path]:
    """A short-named folder that other accounts may pass; removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=of_this_process().name, dir="/tmp"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def mode(path: Path) -> int:
    """The permission bits of ``path``."""
    return stat.S_IMODE(path.stat().st_mode)
