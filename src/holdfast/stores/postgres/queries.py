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
    text = resources.files(__package__).joinpath("sql", f"{file}.sql").read_text()
    _, *parts = _NAME.split(text)
    return dict(zip(parts[::2], (statement.strip() for statement in parts[1::2]), strict=True))
