"""The key that this node seals with: the one that is active in the database, whatever the order of its settings."""

from typing import Final
from uuid import UUID

from holdfast.errors import BackendUnavailable, KeyUnavailable, StartupError
from holdfast.ports import KeyStore, Ring
from holdfast.resilience.events import Event, Log

_log: Final = Log(__name__)


class SealingKey:
    """Follows the database, and reports the ring to the other nodes."""

    def __init__(self, ring: Ring, store: KeyStore) -> None:
        self.ring, self._store = ring, store
        self._activation = 0
        self._missing: KeyUnavailable | None = None

    def follow(self, activation: int, key_id: str) -> None:
        """This key is the active one: seal with it from now on. Late news of an earlier activation does not count."""
        if activation < self._activation:
            return
        self._activation = activation
        try:
            if key_id != self.ring.sealing:
                self.ring.seal_with(key_id)
                _log(Event.KEY_SEALS, key_id=key_id)
            self._missing = None
        except KeyUnavailable as error:
            if self._missing is None:
                _log(Event.KEY_MISSING, reason=error)
            self._missing = error

    def check(self) -> None:
        """See that the ring holds the active key.

        Raises:
            KeyUnavailable: it does not: what other nodes seal cannot be read here.
        """
        if self._missing is not None:
            raise KeyUnavailable(str(self._missing))

    def check_start(self) -> None:
        """See that the ring holds the active key, which may have become so since the known answers were compared.

        Raises:
            StartupError: it does not.
        """
        if self._missing is not None:
            raise StartupError(f"All nodes have begun to seal with a key that this one lacks: {self._missing}")

    async def refresh(self) -> None:
        """Follow what the database says now."""
        active = await self._store.active()
        if active is not None:
            self.follow(*active)

    async def announce(self, node: UUID) -> None:
        """Report the ring of this node, and how often each key sealed since the last report."""
        try:
            await self._store.announce(node, self.ring.ids, self.ring.sealing)
        except BackendUnavailable as error:
            _log(Event.RING_NOT_REPORTED, reason=error)
        await self.count()

    async def count(self) -> None:
        """Add to the counts of all nodes how often each key sealed here since the last time."""
        sealed = +self.ring.sealed
        if sealed:
            try:
                await self._store.count(sealed)
            except BackendUnavailable as error:
                _log(Event.SEALED_COUNTED_LATER, reason=error)
            else:
                self.ring.sealed.subtract(sealed)
