"""The first cache tier: this process's memory. It holds sealed bytes only."""

import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from typing import Final, final

from holdfast.cache.tombstones import Tombstones
from holdfast.domain.names import SecretName
from holdfast.ports import CacheEntry

ENTRY_OVERHEAD_BYTES: Final = 400
"""About what Python adds to an entry's name and sealed bytes."""

_Held = tuple[CacheEntry, float, int]
"""An entry, when it ends on the monotonic clock, and what it weighs in bytes."""


@final
class MemoryCache:
    """Least recently used entries, bounded in number and bytes; implements ``ports.Cache``. For one event loop.

    No entry lives longer than ``max_ttl``, and invalidations are remembered for that long, ``max_entries`` of them.
    """

    def __init__(
        self,
        *,
        max_ttl: timedelta,
        max_entries: int = 10_000,
        max_bytes: int = 64 * 1024 * 1024,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_ttl_s = max_ttl.total_seconds()
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._monotonic = monotonic
        self._held: OrderedDict[SecretName, _Held] = OrderedDict()  # least recently used first
        self._bytes = 0
        self._tombstones = Tombstones(max_entries, self._max_ttl_s, monotonic)

    def peek(self, name: SecretName) -> CacheEntry | None:
        """Return the entry, or None, without awaiting: the hot path of a cached read."""
        held = self._held.get(name)
        if held is None:
            return None
        if self._monotonic() >= held[1]:
            self._drop(name)
            return None
        self._held.move_to_end(name)
        return held[0]

    async def get(self, name: SecretName) -> CacheEntry | None:
        """Return the entry, or None."""
        return self.peek(name)

    async def put(self, name: SecretName, entry: CacheEntry, ttl: timedelta) -> None:
        """Keep an entry for ``ttl``, unless one or an invalidation of a higher revision is known."""
        held = self._held.get(name)
        if entry.revision < self._tombstones.floor(name) or (held and entry.revision < held[0].revision):
            return
        self._drop(name)
        weight = len(entry.sealed) + len(name) + ENTRY_OVERHEAD_BYTES
        ttl_s = min(ttl.total_seconds(), self._max_ttl_s)
        if ttl_s > 0 and weight <= self._max_bytes:
            self._held[name] = (entry, self._monotonic() + ttl_s, weight)
            self._bytes += weight
            self._shrink()

    async def invalidate(self, name: SecretName, revision: int) -> None:
        """Forget entries below ``revision`` and refuse to take them for as long as an entry may live."""
        self._tombstones.add(name, revision)
        held = self._held.get(name)
        if held is not None and held[0].revision < revision:
            self._drop(name)

    async def clear(self) -> None:
        """Forget all entries; invalidations stay known."""
        self._held.clear()
        self._bytes = 0

    def healthy(self) -> bool:
        """Memory always works."""
        return True

    async def aclose(self) -> None:
        """Forget all entries."""
        await self.clear()

    def _shrink(self) -> None:
        while len(self._held) > self._max_entries or self._bytes > self._max_bytes:
            _, (_, _, weight) = self._held.popitem(last=False)
            self._bytes -= weight

    def _drop(self, name: SecretName) -> None:
        held = self._held.pop(name, None)
        if held is not None:
            self._bytes -= held[2]
