"""Who is let in: an identity that is proven, and does not ask too often or for too much at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

from holdfast.domain.policy import Caller
from holdfast.web.exchange import Exchange
from holdfast.web.identity import Identity
from holdfast.web.rates import Rates

LARGE_AT_ONCE: Final = 2
"""Backups of up to 32 MiB that are opened at a time, on all surfaces: each is in memory several times over then."""


class Admission:
    """The one way in for every operation on either surface."""

    def __init__(self, identity: Identity, rates: Rates) -> None:
        self._identity, self._rates = identity, rates
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

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

    @asynccontextmanager
    async def room(self, caller: Caller) -> AsyncIterator[None]:
        """Wait until there is room to open a backup that has arrived, one of one identity at a time."""
        turn = self._turns.setdefault(caller.id, asyncio.Lock())
        async with turn, self._large:
            yield

    def challenge(self, exchange: Exchange) -> str | None:
        """Return the WWW-Authenticate header for Azure's clients; None where there is nothing to prove."""
        return self._identity.challenge(exchange)

    def authority_for(self, exchange: Exchange) -> str:
        """Return where clients get their tokens."""
        return self._identity.authority_for(exchange)
