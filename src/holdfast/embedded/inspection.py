"""What lies in a data folder, without making or changing anything."""

import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from holdfast.embedded.folder import DataFolder
from holdfast.embedded.keyfile import FILE_NAME
from holdfast.ports.inspection import FileFacts, FolderFacts

_OURS = (FILE_NAME, "tls/ca-key.pem", "tls/server.pem", "postgres.password")
"""What must be closed to others, below the data folder."""


def look_at_folder(root: Path, more: Path | None = None, folders: Iterable[str] = ()) -> FolderFacts:
    """Return the facts about a data folder, about ``folders`` in it, and about a further private file outside it."""
    folder = DataFolder(root)
    files = [_file(root, 0o710), *(_file(root / name, 0o600) for name in _OURS)]
    files += [_file(root / name, 0o700) for name in folders]
    if more is not None:
        files.append(_file(more, 0o640))  # keys of certificates are often shared with a group, as by Debian's ssl-cert
    disk = shutil.disk_usage(_existing(root))
    return FolderFacts(
        root=root,
        user=os.geteuid(),
        files=files,
        free_bytes=disk.free,
        total_bytes=disk.total,
        has_cluster=folder.cluster.is_dir(),
        damaged=_count(root / "audit", "*.damaged"),
        unshipped=_count(root / "audit", "*.log"),
    )


def _file(path: Path, allowed: int) -> FileFacts:
    try:
        found = path.stat()
    except OSError:
        return FileFacts(path=path, mode=None, allowed=allowed)
    return FileFacts(
        path=path,
        mode=stat.S_IMODE(found.st_mode),
        allowed=allowed,
        owner=found.st_uid,
        is_folder=stat.S_ISDIR(found.st_mode),
    )


def _existing(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.exists())


def _count(folder: Path, pattern: str) -> int:
    return sum(1 for _ in folder.glob(pattern)) if folder.is_dir() else 0
