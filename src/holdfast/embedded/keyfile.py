"""The encryption key of an installation that was given none: made once, in the data folder."""

import os
from pathlib import Path
from typing import Final

from holdfast.crypto.keyring import generate_key
from holdfast.errors import StartupError

FILE_NAME: Final = "encryption.key"


def load_or_make_key(folder: Path) -> str:
    """Return the key in base64 from ``folder``, making it on the first start with mode 0600.

    Raises:
        StartupError: it cannot be read or made, or others may read it.
    """
    path = folder / FILE_NAME
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make(path)
        if path.stat().st_mode & 0o077:
            raise StartupError(f"{path} may be read by others: `chmod 600` it, and consider its key known.")
        return path.read_text().strip()
    except OSError as error:
        raise StartupError(
            f"The encryption key {path} cannot be used ({error.strerror}). Make the folder writable for this user, "
            "choose another with HOLDFAST_DATA_DIR, or give FALLBACK_ENCRYPTION_KEY."
        ) from error


def _make(path: Path) -> None:
    """Put a whole key in place at once, or leave the one that is there: a torn key would cost every secret."""
    if path.exists():
        return
    draft = path.with_suffix(f".{os.getpid()}.new")
    draft.unlink(missing_ok=True)  # of a start that was killed and had the same process id, as in a container
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(generate_key() + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
