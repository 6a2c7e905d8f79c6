"""The answer to a request that there is no place for. It costs as little as an answer can."""

import random
from typing import Final

from holdfast.web import oauth
from holdfast.web.errors import refusal
from holdfast.web.exchange import Exchange, Reply
from holdfast.web.limits import Overloaded
from holdfast.web.v1 import problems

_random: Final = random.Random()  # noqa: S311 - spreads clients, and guards nothing
_TOKEN_PATH: Final = b"/oauth2/v2.0/token"


def pause_s() -> int:
    """Return the seconds after which a refused client may ask again: not the same for all, so that they do not meet."""
    return _random.randint(1, 3)


def overloaded(exchange: Exchange, retry_after_s: int) -> Reply:
    """Return the refusal in the form that the surface asked for has."""
    error = Overloaded(retry_after_s=retry_after_s)
    if exchange.raw_path.startswith(b"/v1/"):
        return problems.refuse(error, exchange)
    if exchange.raw_path.endswith(_TOKEN_PATH):
        return oauth.refuse(error, exchange)
    return refusal(error, exchange.request_id)
