"""Test vectors: files of inputs and what must become of them."""

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent.parent / "vectors"


def vectors(path: str) -> Any:
    """The content of a file under ``tests/vectors``."""
    return json.loads((_FOLDER / path).read_text("utf-8"))
