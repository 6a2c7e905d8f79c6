"""The data folder as it is found: who may write to it decides who is let in, so no one else may."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from holdfast.embedded.keyfile import FILE_NAME
from holdfast.errors import StartupError
from holdfast.resilience.ownership import changed_by_others

TLS: Final = "tls"
"""The folder of the private CA."""

SPOOL: Final = "audit"
"""The folder of the local audit log."""

ISSUERS: Final = "issuers"
"""The folder of trusted issuers' keys."""

FOLDERS: Final = (TLS, SPOOL, ISSUERS)
_PASSWORD: Final = "postgres.password"  # noqa: S105 - the name of a file


def check_data_folder(root: Path) -> None:
    """See that no one but this user, and root, may change what is in the data folder. What is not there is well.

    PostgreSQL's own folders are looked at when it starts: they may be another account's.

    Raises:
        StartupError: somebody may; the text says how to fix it.
    """
    try:
        for path in _decisive(root):
            fault = changed_by_others(path)
            if fault is not None:
                raise StartupError(f"{fault} Or choose another folder with HOLDFAST_DATA_DIR.")
    except OSError as error:
        raise StartupError(
            f"The data folder {root} cannot be looked at ({error.strerror}). Let this user read it, or choose another "
            "with HOLDFAST_DATA_DIR."
        ) from error


def _decisive(root: Path) -> Iterator[Path]:
    """What decides who is let in and what is on record; folders before what is in them."""
    yield from (root, root / FILE_NAME, root / _PASSWORD)
    for folder in (root / name for name in FOLDERS):
        yield folder
        if folder.is_dir():
            yield from folder.iterdir()
