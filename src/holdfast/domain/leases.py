"""How long a node may act on the rules it knows while it cannot learn of changes."""

from collections.abc import Iterable
from datetime import timedelta

from holdfast.domain.names import is_glob, matches


class Leases:
    """One lease for every secret, and others for names and globs: of those that fit a name, the most specific counts.

    Attributes:
        shortest, longest: seconds; no secret has a shorter or a longer one.
    """

    def __init__(self, default: timedelta, special: Iterable[tuple[str, timedelta]] = ()) -> None:
        self._default = default.total_seconds()
        self._special = sorted(((each, lease.total_seconds()) for each, lease in special), key=_general)
        every = [self._default, *(lease for _, lease in self._special)]
        self.shortest, self.longest = min(every), max(every)

    def seconds(self, name: str) -> float:
        """Return the lease for a name; for "*", the whole vault, the one that is not special to any part of it."""
        return next((lease for pattern, lease in self._special if matches(pattern, name)), self._default)


def _general(special: tuple[str, float]) -> tuple[bool, int, float]:
    """Sorts the most specific first; of equally specific ones, the shorter lease."""
    pattern, seconds = special
    return is_glob(pattern), -len(pattern), seconds
