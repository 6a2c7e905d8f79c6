"""What is to be there after a power cut."""

import os
from pathlib import Path

from holdfast.resilience.windows import WINDOWS


def sync_folder(folder: Path) -> None:
    """Return once the names in a folder are on disk: those of files made, renamed or removed there."""
    if WINDOWS:  # no folder can be opened there, and NTFS has the names in its log
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
