"""Places where a process may die, named so that tests can make it die there."""

from collections.abc import Callable
from typing import Final

Crashpoint = Callable[[str], None]
"""Called with the name of each point as it is passed."""

CRASH_POINTS: Final = ("claimed", "looked", "sending", "sent", "completed", "adopting", "adopted")
"""In the order in which the replay of a set passes them; the last two where it finds a foreign write."""

PROPOSAL_CRASH_POINTS: Final = ("proposed", "sending", "sent", "answered", "enacted")
"""In the order in which a change passes them that Key Vault is asked about first."""


def no_crash(_: str) -> None:
    """Pass on."""
