"""What is installed only on request: the extras of the package, and how one that is missing is added."""

from collections.abc import Iterator
from contextlib import contextmanager

from holdfast.errors import StartupError


@contextmanager
def needing(what: str, extra: str, package: str | None = None) -> Iterator[None]:
    """Import here what an extra brings. ``package``: the only one whose absence means that it is not installed.

    Raises:
        StartupError: ``what`` needs the extra, and it is not installed.
        ImportError: what cannot be imported is not of the package, so that the extra would not help.
    """
    try:
        yield
    except ImportError as error:
        if package is not None and (error.name or "").partition(".")[0] != package:
            raise
        raise missing(what, extra) from error


def missing(what: str, extra: str) -> StartupError:
    """Return the error of ``what``, which needs an extra that is not installed here."""
    return StartupError(f"{what} needs an extra that is not installed: {to_add(extra)}.")


def to_add(extra: str) -> str:
    """Return the command that adds an extra. No index is asked for Holdfast itself: its name may be another's there."""
    return f"pip install 'PATH[{extra}]', where PATH is Holdfast's wheel file or its checkout"
