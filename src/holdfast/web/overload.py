"""The answer to a request that there is no place for. It costs as little as an answer can."""

from collections.abc import Callable
from typing import Final

from holdfast.web import identity_endpoint, oauth_errors
from holdfast.web.errors import refusal
from holdfast.web.exchange import Exchange, Reply
from holdfast.web.limits import Overloaded
from holdfast.web.tenants import is_of_tenants
from holdfast.web.v1 import problems

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
    error = Overloaded(retry_after_s=retry_after_s)
    if exchange.raw_path.startswith(b"/v1/"):
        return problems.refuse(error, exchange)
    path = exchange.raw_path.decode("latin-1")
    if path.startswith(identity_endpoint.PREFIX):
        return identity_endpoint.refuse(error, exchange)
    if is_of_tenants(path):
        return oauth_errors.refuse(error, exchange)
    return refusal(error, exchange.request_id)
