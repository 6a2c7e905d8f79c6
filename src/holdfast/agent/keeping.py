"""Tokens that the agent has got: handed out again for as long as that is right, renewed before anyone has to wait."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Protocol

from holdfast.agent.credentials import Credential, Source
from holdfast.errors import BackendUnavailable, ConfigurationError, Unauthenticated
from holdfast.identity_wire import Grant
from holdfast.ports import Clock
from holdfast.resilience.outages import Outages
from holdfast.resilience.singleflight import SingleFlight

WAIT_BELOW_S: Final = 300.0
"""Seconds that a token has to be good for to be handed out while a new one is to be had: Azure's libraries ask again
below five minutes."""

RETRY_S: Final = 10.0
"""Seconds between two attempts at renewing a token behind the answers."""

MAX_KEPT: Final = 16
"""Tokens. A server has one resource, or its own address and that of its parent."""


class Asks(Protocol):
    """Asks a server; see ``asking.Holdfast``."""

    address: str

    async def token(self, credential: Credential, resource: str, now_s: int) -> Grant:
        """Return a token."""


@dataclass(frozen=True, slots=True)
class _Kept:
    grant: Grant
    credential: Credential
    got_at: float
    """Of the monotonic clock."""


class Tokens:
    """Tokens for one credential, from one server.

    A token is renewed in the second half of its life, or as soon as the credential is another one, and handed out to
    its end while the server is away: it outlasts an outage of half its life at least. When the server refuses the
    credential, nothing is handed out any more.
    """

    def __init__(self, server: Asks, source: Source, clock: Clock) -> None:
        self._server, self._source, self._clock = server, source, clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._last: Credential | None = None
        self._flights: SingleFlight[tuple[str, Credential], Grant] = SingleFlight()
        self._renewals: dict[str, tuple[float, asyncio.Task[None]]] = {}
        self._outages = Outages(monotonic=clock.monotonic)

    async def get(self, resource: str) -> Grant:
        """Return a token for ``resource``.

        Raises:
            ConfigurationError: there is no credential, and there never was one.
            HoldfastError: see ``asking.Holdfast.token``; only where no token is left.
        """
        credential = self.credential()
        kept = self._kept.get(resource)
        if kept is None:
            return await self._asked(resource, credential)
        left_s = self._left_s(kept)
        if left_s > WAIT_BELOW_S and kept.credential == credential:
            if left_s < (kept.grant.expires_on - kept.grant.not_before) / 2:
                self._renew_behind(resource, credential)
            return kept.grant
        try:
            return await self._asked(resource, credential)
        except BackendUnavailable:
            if left_s <= 0:
                raise
            return kept.grant

    def credential(self) -> Credential:
        """Return the present credential, or the last one while its file is being replaced or is out of reach.

        Raises:
            ConfigurationError: there never was one.
        """
        try:
            self._last = self._source.read()
        except ConfigurationError as error:
            if self._last is None:
                raise
            self._outages.failed("The credential of the identity endpoint", error.faults[0])
        else:
            self._outages.works("The credential of the identity endpoint")
        return self._last

    async def aclose(self) -> None:
        """Give up what is under way."""
        for _, task in self._renewals.values():
            task.cancel()
        await self._flights.aclose()

    def _left_s(self, kept: _Kept) -> float:
        """Seconds that a token is still good for, by whichever clock says less.

        The machine's clock may be wrong, and the other one stands still while a machine sleeps.
        """
        life_s = kept.grant.expires_on - kept.grant.not_before
        return min(
            kept.got_at + life_s - self._clock.monotonic(), kept.grant.expires_on - self._clock.now().timestamp()
        )

    async def _asked(self, resource: str, credential: Credential) -> Grant:
        return await self._flights.do((resource, credential), lambda: self._ask(resource, credential))

    async def _ask(self, resource: str, credential: Credential) -> Grant:
        got_at = self._clock.monotonic()
        try:
            grant = await self._server.token(credential, resource, int(self._clock.now().timestamp()))
        except Unauthenticated:
            self._kept.clear()
            raise
        except BackendUnavailable as error:
            self._outages.failed(self._server.address, error)
            raise
        self._outages.works(self._server.address)
        self._keep(resource, _Kept(grant, credential, got_at))
        return grant

    def _keep(self, resource: str, kept: _Kept) -> None:
        self._kept.pop(resource, None)
        self._kept[resource] = kept
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)

    def _renew_behind(self, resource: str, credential: Credential) -> None:
        now = self._clock.monotonic()
        last_at, task = self._renewals.get(resource, (float("-inf"), None))
        if now - last_at < RETRY_S or (task is not None and not task.done()):
            return
        self._renewals[resource] = (now, asyncio.create_task(self._renewed(resource, credential)))

    async def _renewed(self, resource: str, credential: Credential) -> None:
        # Whatever is wrong has been told of, and is told to whoever asks when no token is left.
        await asyncio.gather(self._asked(resource, credential), return_exceptions=True)
