"""Every cache keeps the promises of ``ports.Cache``, in any order of calls."""

import uuid
from collections.abc import Callable
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.cache.memory import MemoryCache
from holdfast.cache.redis import RedisCache
from holdfast.domain.names import SecretName
from holdfast.ports import Cache, CacheEntry
from holdfast.testing import check_cache

TTL = timedelta(seconds=60)
NAME = SecretName("name")
steps = st.lists(st.tuples(st.sampled_from(["put", "invalidate"]), st.integers(1, 6)), max_size=12)


def memory() -> MemoryCache:
    return MemoryCache(max_ttl=TTL)


def redis_factory(url: str) -> Callable[[], RedisCache]:
    # The tests' machine may be busy: here no answer is to be lost to the clock.
    return lambda: RedisCache(url, namespace=uuid.uuid4().hex, max_ttl=TTL, timeout=timedelta(seconds=10))


async def test_memory_keeps_the_promises() -> None:
    await check_cache(memory)


async def test_redis_keeps_the_promises(redis_url: str) -> None:
    await check_cache(redis_factory(redis_url))


async def no_lower_revision_wins(cache: Cache, taken: list[tuple[str, int]]) -> None:
    """Play the steps and compare with the simplest model: the highest put that no invalidation is above."""
    floor = best = 0
    for step, revision in taken:
        if step == "put":
            await cache.put(NAME, CacheEntry(revision=revision, sealed=b"%d" % revision), TTL)
            best = max(best, revision) if revision >= floor else best
        else:
            await cache.invalidate(NAME, revision)
            floor = max(floor, revision)
            best = best if best >= floor else 0
        found = await cache.get(NAME)
        assert (found.revision if found else 0) == best
        assert found is None or found.sealed == b"%d" % best


@given(steps)
async def test_i3_no_lower_revision_wins_in_memory(taken: list[tuple[str, int]]) -> None:
    await no_lower_revision_wins(memory(), taken)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50)
@given(steps)
async def test_i3_no_lower_revision_wins_in_redis(redis_server: str, taken: list[tuple[str, int]]) -> None:
    cache = redis_factory(redis_server)()
    try:
        await no_lower_revision_wins(cache, taken)
    finally:
        await cache.aclose()


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=50)
@given(steps, st.lists(st.booleans(), min_size=12, max_size=12))
async def test_i3_no_lower_revision_wins_among_nodes(
    redis_server: str, taken: list[tuple[str, int]], turns: list[bool]
) -> None:
    namespace = uuid.uuid4().hex
    nodes = [
        RedisCache(redis_server, namespace=namespace, max_ttl=TTL, timeout=timedelta(seconds=10)) for _ in range(2)
    ]
    try:
        highest = 0
        for (step, revision), turn in zip(taken, turns, strict=False):
            if step == "put":
                await nodes[turn].put(NAME, CacheEntry(revision=revision, sealed=b""), TTL)
            else:
                await nodes[turn].invalidate(NAME, revision)
            highest = max(highest, revision)
            found = [await node.get(NAME) for node in nodes]
            assert all(entry is None or entry.revision == highest for entry in found)
    finally:
        for node in nodes:
            await node.aclose()
