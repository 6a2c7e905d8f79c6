"""How many examples a slow test draws."""

import os
from typing import Final

PROFILE: Final = os.environ.get("HOLDFAST_EXAMPLES", "repeatable")
"""``repeatable``: the same examples at each run, as in ``make test``; ``random``: new ones, as in ``make proof``."""


def drawn(number: int) -> int:
    """All of them where they are new at each run; a third where they are the same, and find what they can only once."""
    return number if PROFILE == "random" else -(-number // 3)
