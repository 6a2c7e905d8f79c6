"""Files of encryption keys, a key in base64 on a line, and the one that an installation makes if it was given none."""

import os
from pathlib import Path
from typing import Final

from holdfast.crypto.keyring import generate_key
from holdfast.errors import StartupError
from holdfast.resilience.durable import sync_folder
from holdfast.resilience.ownership import changed_by_others, fault_of, open_file

FILE_NAME: Final = "encryption.key"
MAX_BYTES: Final = 64 * 1024
"""Of a key file: a thousand keys. What is longer is none."""

_OWNER_ONLY: Final = 0o077


def load_or_make_keys(folder: Path) -> list[tuple[int, str]]:
    """Return the keys in base64 from ``folder``, by line, making one on the first start with mode 0600.

    Raises:
        StartupError: the file cannot be read or made, or others may read it.
    """
    path = folder / FILE_NAME
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make(path)
    except OSError as error:
        raise StartupError(
            f"The encryption key {path} cannot be used ({error.strerror}). Make the folder writable for this user, "
            "choose another with HOLDFAST_DATA_DIR, or give FALLBACK_ENCRYPTION_KEY."
        ) from error
    return key_lines(path, _OWNER_ONLY)


def key_lines(path: Path, closed_to: int) -> list[tuple[int, str]]:
    """Return the lines of a key file that are neither empty nor comments, by their numbers.

    ``closed_to``: the bits of its mode that must not be set.

    Raises:
        StartupError: it cannot be read, or others may read or change it.
    """
    try:
        with open_file(path) as file:
            found = os.fstat(file.fileno())
            if found.st_mode & closed_to:
                raise StartupError(f"{path} may be read by others: `chmod 600` it, and consider its keys known.")
            fault = fault_of(path, found) or changed_by_others(path)
            if fault is not None:
                raise StartupError(fault)
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise StartupError(
            f"The encryption keys in {path} cannot be read ({error.strerror}). Let this user read the file, or name "
            "another with HOLDFAST_ENCRYPTION_KEY_FILE."
        ) from error
    if len(content) > MAX_BYTES:
        raise StartupError(f"{path} is no key file: it is longer than {MAX_BYTES:,} bytes.")
    lines = enumerate(content.decode("ascii", "replace").splitlines(), 1)
    return [(number, line.strip()) for number, line in lines if line.strip() and not line.lstrip().startswith("#")]


def append_key(path: Path, line: str) -> None:
    """Add a line to a key file, whole or not at all; a file that is not there is made, with mode 0600.

    Raises:
        StartupError: it cannot be written.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        before = path.read_bytes() if path.exists() else b""
        separator = b"" if not before or before.endswith(b"\n") else b"\n"
        _write(draft, before + separator + line.encode() + b"\n")
        if path.exists():
            owner = path.stat()
            os.chown(draft, owner.st_uid, owner.st_gid)
        draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise StartupError(f"The key file {path} cannot be written ({error.strerror}); it is as it was.") from error


def _make(path: Path) -> None:
    """Put a whole key in place at once, or leave the one that is there: a torn key would cost every secret."""
    if path.exists():
        return
    draft = path.with_suffix(f".{os.getpid()}.new")
    _write(draft, generate_key().encode() + b"\n")
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
    sync_folder(path.parent)


def _write(draft: Path, content: bytes) -> None:
    draft.unlink(missing_ok=True)  # of a start that was killed and had the same process id, as in a container
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
