"""Which release this is."""

from functools import cache
from importlib.metadata import version


@cache
def release() -> str:
    """The version of the installed package; looked up once, as that reads and parses a file."""
    return version("holdfast")
