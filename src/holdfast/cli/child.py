"""The process that a command becomes: its environment, and the moment of becoming it."""

import os
import signal
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

from holdfast.config import variables
from holdfast.errors import InvalidInput

_OURS: Final = "HOLDFAST_"
_KEY: Final = "FALLBACK_ENCRYPTION_KEY"

_IGNORED_BY_PYTHON: Final = (signal.SIGPIPE, signal.SIGXFSZ)
"""What the interpreter ignores from its start on, which other programs would inherit (``Py_Initialize``)."""


def environment_for(environ: Mapping[str, str], secrets: Mapping[str, str], *, remote: bool) -> dict[str, str]:
    """Return the environment of a process that is given secrets, without what Holdfast itself proves itself with.

    On this machine those are all secret settings of the node; with a server (``remote``) ``DATABASE_URL`` and the like
    are the process's own, and stay.

    Raises:
        InvalidInput: a value cannot be in an environment.
    """
    for variable, value in secrets.items():
        if "\0" in value:
            raise InvalidInput(
                f"The secret for {variable} holds a NUL character, which no environment can: read it with the library."
            )
    ours = {_KEY} if remote else {each.name for each in variables() if each.secret}
    kept = {name: value for name, value in environ.items() if name not in ours and not name.startswith(_OURS)}
    return {**kept, **secrets}


def become(program: str, command: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Replace this process by ``program``.

    It keeps pid, terminal, process group and streams, so that every signal and its exit code are its own.

    Raises:
        OSError: the system does not start it.
    """
    for number in _IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    os.execve(program, list(command), dict(environ))  # noqa: S606 - no shell is wanted
