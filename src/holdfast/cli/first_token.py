"""The only token of the first identity: shown once, or written to a file for its owner alone."""

import os
from pathlib import Path
from typing import Final

import click

from holdfast.cli import output
from holdfast.errors import InvalidInput
from holdfast.resilience.ownership import new_file

_SHOWN: Final = """
The token of `admin`, who may do everything. It is shown only now and kept as a hash: store it safely.

  {token}

"""
_WRITTEN: Final = """
The token of `admin`, who may do everything, is in {file} and kept as a hash: store it safely, then remove the file.
"""

to_file = click.option(
    "--admin-token-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the first token of admin to a new FILE of mode 0600: what is shown may end in logs.",
)


def check_place(file: Path | None) -> None:
    """See that a file can be made, before there is a token to lose.

    Raises:
        InvalidInput: its folder is not there, or not to be written.
    """
    if file is not None and not os.access(file.parent, os.W_OK | os.X_OK):
        raise InvalidInput(
            f"--admin-token-file: no file can be made in {file.parent}; choose another folder.",
            field="admin_token_file",
        )


def told(token: str | None, file: Path | None) -> dict[str, str]:
    """Where the token is, for programs; nothing when none was made, or the file cannot be."""
    if token is None:
        return {}
    if file is None:
        return {"admin_token": token}
    return {"admin_token_file": str(file)} if _written(token, file) else {}


def text(token: str | None, file: Path | None) -> str:
    """The same for people."""
    facts = told(token, file)
    if not facts:
        return ""
    return _WRITTEN.format(file=file) if file is not None else _SHOWN.format(token=token)


def _written(token: str, file: Path) -> bool:
    """Write the token, never over something and never through a link. It is not shown instead: that was not wanted."""
    try:
        with new_file(file) as opened:
            opened.write(f"{token}\n".encode())
    except OSError as error:
        output.say(
            f"The token of admin cannot be written to {file} ({error.strerror}), and is lost: `holdfast admin reset` "
            "on this machine makes another."
        )
        return False
    return True
