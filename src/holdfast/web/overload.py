"""The answer to a request that there is no place for. It costs as little as an answer can."""

from collections.abc import Callable
from typing import Final

from holdfast.web.exchange import Exchange, Reply
from holdfast.web.limits import Overloaded
from holdfast.web.surface import refuse

RETURNS_PER_S: Final = 500
FIRST_RETURN_S: Final = 1.0
LAST_RETURN_S: Final = 15.0


class Returns:
    """When refused clients may ask again: evenly spread, in the order in which they were refused.

    However many they are, they take little of the time that those need who are answered.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic, self._latest = monotonic, 0.0

    def book(self) -> float:
        """Return the seconds until one more client may ask again."""
        now = self._monotonic()
        self._latest = min(max(self._latest, now + FIRST_RETURN_S) + 1 / RETURNS_PER_S, now + LAST_RETURN_S)
        return self._latest - now


def overloaded(exchange: Exchange, retry_after_s: float) -> Reply:
    """Return the refusal in the form that the surface asked for has."""
    return refuse(Overloaded(retry_after_s=retry_after_s), exchange)
