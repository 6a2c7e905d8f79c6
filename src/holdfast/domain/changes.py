"""How a partial change says what it leaves alone."""

import enum
from dataclasses import dataclass
from typing import Final

from holdfast.errors import InvalidInput


class Keep(enum.Enum):
    """The type of ``KEEP``: an enumeration, so that type checkers narrow ``value is KEEP``."""

    KEEP = "keep"

    def __repr__(self) -> str:
        return "KEEP"


KEEP: Final = Keep.KEEP
"""In an update: leave this as it is. None clears it."""


@dataclass(frozen=True, slots=True)
class Held:
    """A date that cannot be set here, in seconds since 1970: fine where Key Vault holds it, else ``refusal`` is raised.

    Clients that change something else send it back as they got it.
    """

    seconds: int
    refusal: InvalidInput
