"""What is installed only on request: the extras of the package, and how one that is missing is added."""

from holdfast.errors import StartupError


def missing(what: str, extra: str) -> StartupError:
    """Return the error of ``what``, which needs an extra that is not installed here."""
    return StartupError(f"{what} needs an extra that is not installed: {to_add(extra)}.")


def to_add(extra: str) -> str:
    """Return the command that adds an extra. No index is asked for Holdfast itself: its name may be another's there."""
    return f"pip install 'PATH[{extra}]', where PATH is Holdfast's wheel file or its checkout"
