"""SQL by name: every statement lives in a ``.sql`` file beside this package, under a ``-- name:`` line."""

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final

_NAME: Final = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def load(file: str) -> Mapping[str, str]:
    """Return the statements of ``sql/{file}.sql`` by name."""
    return _statements(resources.files(__package__).joinpath("sql", f"{file}.sql").read_text())


@cache
def load_all() -> Mapping[str, str]:
    """Return every statement there is, by file and name."""
    return {
        f"{file.name}: {name}": statement
        for file in resources.files(__package__).joinpath("sql").iterdir()
        if file.name.endswith(".sql") and file.name != "schema.sql"
        for name, statement in _statements(file.read_text()).items()
    }


def _statements(text: str) -> dict[str, str]:
    _, *parts = _NAME.split(text)
    return dict(zip(parts[::2], (statement.strip() for statement in parts[1::2]), strict=True))
