"""Who is let in: an identity that is proven, and does not ask too often or for too much at a time."""

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Final

from holdfast.domain.policy import Caller
from holdfast.web.exchange import Exchange
from holdfast.web.identity import Identity
from holdfast.web.limits import MAX_BODY_BYTES
from holdfast.web.rates import Rates

LARGE_AT_ONCE: Final = 2
"""Bodies of up to 32 MiB in memory at a time, on all surfaces, each several times over while it is opened."""


class Admission:
    """The one way in for every operation on either surface."""

    def __init__(self, identity: Identity, rates: Rates) -> None:
        self._identity, self._rates = identity, rates
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    async def caller(self, exchange: Exchange) -> Caller:
        """Return the caller of a request.

        Raises:
            InvalidInput: no valid Host header, several Authorization headers, or a token in the URL.
            Unauthenticated: no token, or one that does not hold here.
            RateLimited: this identity asks too often.
        """
        caller = await self._identity.caller(exchange)
        self._rates.take(caller.id)
        return caller

    def charge(self, caller: Caller, count: int) -> None:
        """Count the further parts of a request, which asks for as much as so many requests.

        Raises:
            RateLimited: this identity asks too often.
        """
        if count:
            self._rates.take(caller.id, count)

    def room(self, body_limit: int) -> AbstractAsyncContextManager[None]:
        """Wait, where a body may be as long as this, until there is room for it; held until it is dealt with."""
        return self._large if body_limit > MAX_BODY_BYTES else nullcontext()

    def challenge(self, exchange: Exchange) -> str | None:
        """Return the WWW-Authenticate header for Azure's clients; None where there is nothing to prove."""
        return self._identity.challenge(exchange)
