"""How a partial change says what it leaves alone."""

import enum
from typing import Final


class Keep(enum.Enum):
    """The type of ``KEEP``: an enumeration, so that type checkers narrow ``value is KEEP``."""

    KEEP = "keep"

    def __repr__(self) -> str:
        return "KEEP"


KEEP: Final = Keep.KEEP
"""In an update: leave this as it is. None clears it."""
