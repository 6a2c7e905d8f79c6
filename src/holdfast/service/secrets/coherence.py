"""Keeps what this node remembers in step with what was committed, here or on any other node."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

from holdfast.domain.names import SecretName
from holdfast.domain.secret import Secret
from holdfast.ports import Cache
from holdfast.resilience.singleflight import SingleFlight
from holdfast.service.access.directory import Directory
from holdfast.service.access.grants import GrantBook

Flights = SingleFlight[SecretName, Secret]
"""Loads under way, by name."""

ABSENT_S: Final = 1.0
"""Seconds for which Key Vault's word that it lacks a secret is taken: the most by which a new one is seen late."""

MAX_ABSENT: Final = 10_000

MAX_UNSETTLED: Final = 100_000
"""Names remembered as waiting for Key Vault; beyond it every name counts as waiting."""


class Unsettled:
    """The names for which Key Vault may be behind: those must not be read from it without asking PostgreSQL.

    Announced changes add to it; only a look at the journal that began after them takes them out again.
    """

    def __init__(self) -> None:
        self._from_journal: frozenset[SecretName] | None = None
        self._announced: dict[SecretName, int] = {}
        self._looks = 0

    def __contains__(self, name: SecretName) -> bool:
        return self._from_journal is None or name in self._announced or name in self._from_journal

    def announce(self, name: SecretName) -> None:
        """A change of this secret was committed."""
        if len(self._announced) >= MAX_UNSETTLED:
            self._from_journal = None
            self._announced.clear()
        self._announced[name] = self._looks

    def begin_look(self) -> int:
        """The journal is about to be read; give what this returns to ``end_look``."""
        self._looks += 1
        return self._looks

    def end_look(self, look: int, waiting: Iterable[SecretName]) -> None:
        """The journal was read: these names had open or parked intents."""
        self._from_journal = frozenset(waiting)
        self._announced = {name: seen for name, seen in self._announced.items() if seen >= look}


class Absences:
    """Names that Key Vault has just denied having, so that a flood of wrong names does not become a flood of calls."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._until: OrderedDict[SecretName, float] = OrderedDict()

    def __contains__(self, name: SecretName) -> bool:
        return self._until.get(name, 0.0) > self._monotonic()

    def add(self, name: SecretName) -> None:
        """Key Vault does not have it."""
        self._until[name] = self._monotonic() + ABSENT_S
        self._until.move_to_end(name)
        if len(self._until) > MAX_ABSENT:
            self._until.popitem(last=False)

    def discard(self, name: SecretName) -> None:
        """It may be there now."""
        self._until.pop(name, None)


class Coherence:
    """Implements ``ports.FeedListener`` over the caches, the loads under way, the grants and the identities.

    ``seal_with`` is told which key seals.
    """

    def __init__(
        self,
        local: Cache,
        shared: Cache | None,
        flights: Flights,
        grants: GrantBook,
        directory: Directory,
        seal_with: Callable[[int, str], None] = lambda _activation, _key_id: None,
    ) -> None:
        self._local, self._shared, self._flights = local, shared, flights
        self._grants, self._directory, self._seal_with = grants, directory, seal_with
        self.unsettled = Unsettled()
        self.absences = Absences(time.monotonic)

    async def resynchronise(self) -> None:
        """See the port."""
        await self._local.clear()
        await self._grants.load()
        await self._directory.load()

    async def secret_changed(self, name: SecretName, revision: int) -> None:
        """See the port."""
        self._flights.forget(name)
        self.unsettled.announce(name)
        self.absences.discard(name)
        await self._local.invalidate(name, revision)

    async def committed(self, name: SecretName, revision: int) -> None:
        """This node committed a change: nobody is told of it before no cache can contradict it."""
        await self.secret_changed(name, revision)
        if self._shared is not None:
            await self._shared.invalidate(name, revision)

    async def purged(self, name: SecretName, revision: int) -> None:
        """This node purged a secret: beside the caches, the rules for it alone are void."""
        self._grants.forget(name)
        await self.committed(name, revision)

    async def rules_changed(self, epoch: int, subject: str | None) -> None:
        """See the port."""
        await self._grants.changed(epoch, subject)

    async def rules_reached(self, epoch: int) -> None:
        """See the port."""
        await self._grants.reached(epoch)

    async def identity_changed(self, epoch: int, name: str) -> None:
        """See the port."""
        await self._directory.changed(epoch, name)

    async def identities_reached(self, epoch: int) -> None:
        """See the port."""
        await self._directory.reached(epoch)

    async def key_activated(self, activation: int, key_id: str) -> None:
        """See the port."""
        self._seal_with(activation, key_id)
