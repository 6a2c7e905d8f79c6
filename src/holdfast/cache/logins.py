"""Logging in at Redis with a token that ends and is renewed, as Azure Managed Redis has it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Protocol, final
from urllib.parse import unquote

from holdfast.domain.claims import unproven_claims
from holdfast.errors import BackendUnavailable
from holdfast.resilience.tasks import stopped

AHEAD_S: Final = 240.0
"""Seconds before its end at which a token is renewed. Azure wants the new one three minutes ahead."""

AGAIN_S: Final = 30.0
"""Seconds from one attempt to renew it to the next, at least."""


class Token(Protocol):
    """What a credential of azure-core gives. ``expires_on``: seconds since 1970."""

    @property
    def token(self) -> str:
        """The token itself."""

    @property
    def expires_on(self) -> int:
        """When it ends."""


@final
class Login:
    """Gives user and token to each connection that is opened; what redis-py calls a credential provider.

    It is renewed behind the operations, which never wait for it while there is a good one.

    Args:
        ask: gives a token, and keeps it until shortly before its end.
        close: is called at the end.
        user: as the server knows us; None: the object id that the token names.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[Token]],
        close: Callable[[], Awaitable[None]],
        *,
        user: str | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._ask, self._close, self._now = ask, close, now
        self._user = None if user is None else unquote(user)
        self._token: Token | None = None
        self._again_at = 0.0
        self._renewal: asyncio.Task[None] | None = None
        self._given = ""

    async def get_credentials_async(self) -> tuple[str, str]:
        """Return user and token.

        Raises:
            BackendUnavailable: there is no token to be had.
        """
        if self._token is None or self._token.expires_on <= self._now():
            await self._fetch()
        assert self._token is not None  # noqa: S101 - else the fetch has raised
        self._given = self._token.token
        return self._user or _object_id(self._given), self._given

    def is_renewed(self) -> bool:
        """Whether there is another token than the one that connections were opened with; in time, one is asked for."""
        token = self._token
        if token is None:
            return False
        due = max(token.expires_on - AHEAD_S, self._again_at) <= self._now()
        if due and (self._renewal is None or self._renewal.done()):
            self._renewal = asyncio.create_task(self._renew(), name="renewing the token for Redis")
        return bool(self._given) and token.token != self._given

    async def aclose(self) -> None:
        """Give up a renewal under way, and close."""
        if self._renewal is not None:
            await stopped(self._renewal)
        await self._close()

    async def _renew(self) -> None:
        with suppress(BackendUnavailable):  # the one there is may be good for minutes yet
            await self._fetch()

    async def _fetch(self) -> None:
        self._again_at = self._now() + AGAIN_S
        self._token = await self._ask()


def _object_id(token: str) -> str:
    """The object id of whom a token is about: ours, from those who give it out, so no signature is looked at."""
    user = unproven_claims(token).get("oid")
    if not isinstance(user, str) or not user:
        raise BackendUnavailable("The token for Redis names no object id (oid): write it as the user of REDIS_URL.")
    return user
