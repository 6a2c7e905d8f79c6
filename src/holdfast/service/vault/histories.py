"""Histories of secrets, taken over behind the answers that came before them.

One takeover per name is under way on a node, and a few names at once; whoever needs one waits for it, for a while.
"""

import asyncio
from typing import Final

from holdfast.domain.names import SecretName
from holdfast.domain.secret import SecretVersion
from holdfast.errors import BackendUnavailable, Conflict, TransitionPending
from holdfast.ports import Head, VaultVersion
from holdfast.resilience.events import Event, Log
from holdfast.service.vault.adoption import Adopter

_log: Final = Log(__name__)

AT_ONCE: Final = 4
"""Histories that one node takes over at the same time behind answers."""

MAX_WAITING: Final = 10_000
"""Names that wait for that. Beyond it a name is left to the next read, or to the mirroring of the whole vault."""

NUMBERING_S: Final = 30.0
"""Seconds for which a caller waits who needs the number of a version: as long as the whole retry policy of a read."""


class Histories:
    """Implements ``service.secrets.numbering.Histories``. ``patience_s``: how long a read waits for one."""

    def __init__(self, adopter: Adopter, *, patience_s: float) -> None:
        self._adopter, self._patience_s = adopter, patience_s
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._flights: dict[SecretName, asyncio.Task[Head | None]] = {}

    async def glance(self, name: SecretName, newest: VaultVersion) -> bool:
        """See ``Adopter.glance``; False as well while others keep writing the secret."""
        try:
            return await self._adopter.glance(name, newest)
        except TransitionPending:
            return False

    async def fetch(self, head: Head, version: SecretVersion) -> None:
        """Fetch the value of a former version that the mirror lacks, if Key Vault gives it now."""
        await self._adopter.fetcher.fetch(head, [version])

    async def fetch_all(self, name: SecretName) -> None:
        """Fetch all such values of a secret that Key Vault gives now."""
        await self._adopter.fetcher.fetch_all(name)

    def later(self, name: SecretName) -> None:
        """Have the history of a secret taken over, and wait for nothing."""
        if len(self._flights) < MAX_WAITING:
            self._flight(name)

    async def soon(self, name: SecretName) -> bool:
        """Have it taken over within the patience; returns whether it was.

        Raises:
            IntegrityFailure: the mirror's rows were edited.
        """
        flight = self._flight(name)
        await asyncio.wait({flight}, timeout=self._patience_s)
        try:
            return flight.done() and not flight.cancelled() and (flight.result(), True)[1]
        except (BackendUnavailable, Conflict) as error:
            _log(Event.HISTORY_LATER, name=name, reason=error)
            return False

    async def number(self, name: SecretName) -> None:
        """Have it taken over because a number is needed.

        Raises:
            BackendUnavailable: it cannot be, or takes longer than anyone should wait.
        """
        flight = self._flight(name)
        await asyncio.wait({flight}, timeout=NUMBERING_S)
        if not flight.done() or flight.cancelled():
            raise BackendUnavailable(f"The versions of {name!r} in Key Vault are still being numbered; try again.")
        try:
            flight.result()
        except Conflict as error:
            raise BackendUnavailable(str(error)) from None

    async def aclose(self) -> None:
        """Give up what is under way; another read begins it again."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _flight(self, name: SecretName) -> asyncio.Task[Head | None]:
        flight = self._flights.get(name)
        if flight is None:
            flight = self._flights[name] = asyncio.create_task(self._take_over(name), name="history")
            flight.add_done_callback(lambda done: self._landed(name, done))
        return flight

    async def _take_over(self, name: SecretName) -> Head | None:
        async with self._slots:
            return await self._adopter.refresh(name)

    def _landed(self, name: SecretName, flight: asyncio.Task[Head | None]) -> None:
        self._flights.pop(name, None)
        if not flight.cancelled() and (error := flight.exception()):
            _log(Event.HISTORY_LATER, name=name, reason=error)
