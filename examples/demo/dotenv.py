"""Reads a .env file: one ``NAME=value`` each; in quotes a value may span lines."""

import re
from pathlib import Path
from typing import Final

_ENTRY: Final = re.compile(
    r"""^(?P<name>[A-Za-z_]\w*)=(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<plain>[^\n]*))$""", re.MULTILINE
)


def read(path: Path) -> dict[str, str]:
    """Return the entries of a file by name."""
    found = _ENTRY.finditer(path.read_text())
    return {entry["name"]: next(text for text in entry.groups()[1:] if text is not None) for entry in found}


def secret_name(variable: str) -> str:
    """Return a variable's name in Key Vault's grammar."""
    return variable.lower().replace("_", "-")
