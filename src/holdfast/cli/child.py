"""The process that a command becomes: its environment, and the moment of becoming it."""

import errno
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

from holdfast.cli import output
from holdfast.config import client_variables, own, source_variables, variables
from holdfast.errors import InvalidInput
from holdfast.resilience.windows import WINDOWS

_IGNORED_BY_PYTHON: Final = () if WINDOWS else (signal.SIGPIPE, signal.SIGXFSZ)
"""What the interpreter ignores from its start on, which other programs would inherit (``Py_Initialize``)."""

_PAGES_OF_A_STRING: Final = 32
"""Linux's limit for one argument or variable, in pages of memory (execve(2), MAX_ARG_STRLEN)."""


def inherited(environ: Mapping[str, str], kept: Sequence[str] = ()) -> dict[str, str]:
    """Return an environment without Holdfast's own settings, and without whatever it proves itself with elsewhere.

    ``kept`` names variables that stay all the same.
    """
    known = (*variables(), *client_variables(), *source_variables())
    ours = {each.name for each in known if each.secret and not each.shared} | own(environ).keys()
    return {name: value for name, value in environ.items() if name in kept or name not in ours}


def check_values(values: Mapping[str, str]) -> None:
    """See that an environment can hold the values.

    Raises:
        InvalidInput: one has a NUL character.
    """
    for variable, value in values.items():
        if "\0" in value:
            raise InvalidInput(
                f"The secret for {variable} holds a NUL character, which no environment can: read it with the library."
            )


def found(command: str) -> str | None:
    """Return the path of a command, as a shell would find it, or None.

    Raises:
        PermissionError: it is there, and no program that may be run.
    """
    program = shutil.which(command)
    if program is None and (_is_there(command) if os.sep in command else shutil.which(command, os.F_OK)):
        raise PermissionError
    return program


def _is_there(path: str) -> bool:
    try:
        Path(path).stat()
    except PermissionError:
        raise
    except OSError:  # such as of a name that is too long for any file
        return False
    return True


def why_not_started(
    error: OSError, program: str, environ: Mapping[str, str], values: Mapping[str, str]
) -> tuple[str, str]:
    """Return why ``become`` failed, and the fix, as a reason and a sentence."""
    if error.errno == errno.E2BIG and not WINDOWS:
        size = sum(len(os.fsencode(name + value)) + len("=\0") for name, value in {**environ, **values}.items())
        whole, one = os.sysconf("SC_ARG_MAX"), _PAGES_OF_A_STRING * os.sysconf("SC_PAGESIZE")
        limits = f"{whole:,} with the arguments, and {one:,} for one variable"
        reason = f"its environment has {size:,} bytes, and this system takes {limits}"
        return reason, "Give it fewer secrets, with --only."
    if error.errno == errno.ENOEXEC:
        return "it is no program, and has no #! line", f"If it is a shell script, run: sh {shlex.quote(program)}"
    if error.errno == errno.ENOENT:  # the program itself was found
        return "the interpreter that it needs is not there", "Check its #! line, also for Windows line ends."
    return error.strerror or "the system does not start it", "Check its path, its mode and PATH."


def not_started(ours: str, code: int, reason: str, fix: str = "Check its path, its mode and PATH.") -> int:
    """Tell why the command of ``ours`` is not started, and return the exit code for it."""
    text = f"The command is not started: {reason}. {fix}"
    output.report_text("not_started", text, as_json=output.wants_json(), command=ours)
    return code


def become(program: str, command: Sequence[str], environ: Mapping[str, str], values: Mapping[str, str]) -> NoReturn:
    """Replace this process by ``program``, with ``values`` added to its environment, in UTF-8 whatever the locale.

    It keeps pid, terminal, process group and streams, so that every signal and its exit code are its own. On Windows no
    process can be replaced: there this one waits, and ends with the other's exit code.

    Raises:
        OSError: the system does not start it.
    """
    if WINDOWS:
        os._exit(subprocess.run([program, *command[1:]], env={**environ, **values}, check=False).returncode)
    whole = {os.fsencode(name): os.fsencode(value) for name, value in environ.items()}
    whole |= {name.encode(): value.encode() for name, value in values.items()}
    for number in _IGNORED_BY_PYTHON:
        signal.signal(number, signal.SIG_DFL)
    os.execve(program, list(command), whole)  # noqa: S606 - no shell is wanted
