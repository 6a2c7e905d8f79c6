"""The promises of the ports as assertions, for every adapter that makes them: ours and yours.

Each check takes a factory of fresh, empty adapters and raises AssertionError where a promise is broken.
"""

# ruff: noqa: S101 - assertions are what this module is for

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from holdfast.domain.names import SecretName
from holdfast.ports import Cache, CacheEntry

_NAME: Final = SecretName("contract-check")
_OTHER: Final = SecretName("contract-check-2")
_LONG: Final = timedelta(seconds=30)


async def check_cache(make: Callable[[], Cache]) -> None:
    """Hold a cache to ``ports.Cache``. Its entries must be able to live for 30 seconds."""
    for check in (_keeps, _expires, _orders, _invalidates, _clears):
        cache = make()
        try:
            await cache.clear()
            await check(cache)
            assert cache.healthy()
        finally:
            await cache.aclose()


async def _keeps(cache: Cache) -> None:
    assert await cache.get(_NAME) is None
    entry = CacheEntry(revision=2**53 + 1, sealed=bytes(range(256)))
    await cache.put(_NAME, entry, _LONG)
    assert await cache.get(_NAME) == entry
    assert await cache.get(_OTHER) is None
    await cache.put(_OTHER, CacheEntry(revision=1, sealed=b""), _LONG)
    assert await cache.get(_OTHER) == CacheEntry(revision=1, sealed=b"")


async def _expires(cache: Cache) -> None:
    await cache.put(_NAME, CacheEntry(revision=1, sealed=b"none"), timedelta(0))
    assert await cache.get(_NAME) is None
    await cache.put(_NAME, CacheEntry(revision=1, sealed=b"short"), timedelta(milliseconds=20))
    await asyncio.sleep(0.1)
    assert await cache.get(_NAME) is None


async def _orders(cache: Cache) -> None:
    newer = CacheEntry(revision=2**53 + 1, sealed=b"newer")
    await cache.put(_NAME, newer, _LONG)
    await cache.put(_NAME, CacheEntry(revision=2**53, sealed=b"older"), _LONG)
    await cache.put(_NAME, CacheEntry(revision=9, sealed=b"much older"), _LONG)
    assert await cache.get(_NAME) == newer
    again = CacheEntry(revision=newer.revision, sealed=b"sealed again")
    await cache.put(_NAME, again, _LONG)
    assert await cache.get(_NAME) == again


async def _invalidates(cache: Cache) -> None:
    await cache.put(_NAME, CacheEntry(revision=4, sealed=b"old"), _LONG)
    await cache.invalidate(_NAME, 5)
    assert await cache.get(_NAME) is None, "an invalidated entry is gone"
    await cache.put(_NAME, CacheEntry(revision=4, sealed=b"late fill"), _LONG)
    assert await cache.get(_NAME) is None, "a fill that was read before the invalidation is refused"
    current = CacheEntry(revision=5, sealed=b"current")
    await cache.put(_NAME, current, _LONG)
    await cache.invalidate(_NAME, 5)
    await cache.invalidate(_NAME, 3)
    assert await cache.get(_NAME) == current, "an entry of the revision itself stays"
    await cache.invalidate(_OTHER, 9)
    assert await cache.get(_NAME) == current, "other names are left alone"


async def _clears(cache: Cache) -> None:
    await cache.put(_NAME, CacheEntry(revision=1, sealed=b"first"), _LONG)
    await cache.invalidate(_OTHER, 7)
    await cache.clear()
    assert await cache.get(_NAME) is None
    await cache.put(_OTHER, CacheEntry(revision=6, sealed=b"late fill"), _LONG)
    assert await cache.get(_OTHER) is None, "an invalidation outlives a clearing"
    await cache.put(_NAME, CacheEntry(revision=1, sealed=b"filled again"), _LONG)
    assert await cache.get(_NAME) is not None
