"""Caches: sealed entries that never decide anything."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from holdfast.domain.names import SecretName


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEntry:
    """A sealed answer. ``revision`` orders all states a name was ever in, across versions and incarnations.

    ``era``: for whoever keeps entries in memory, when it was last compared; a shared cache does not keep it.
    """

    revision: int
    sealed: bytes
    era: int = 0


class Cache(Protocol):
    """Sealed entries by canonical name. It never decides anything; a broken one behaves as an empty one."""

    async def get(self, name: SecretName) -> CacheEntry | None:
        """Return the entry, or None. Never raises on a backend fault."""

    async def put(self, name: SecretName, entry: CacheEntry, ttl: timedelta) -> None:
        """Keep an entry for ``ttl`` unless one, or an invalidation, of a higher revision is known. Never raises."""

    async def invalidate(self, name: SecretName, revision: int) -> None:
        """Forget entries below ``revision`` and refuse to take them for as long as an entry may live. Never raises."""

    async def clear(self) -> None:
        """Forget all entries. Never raises."""

    def healthy(self) -> bool:
        """Whether the last use of the backend worked."""

    async def aclose(self) -> None:
        """Release connections."""
