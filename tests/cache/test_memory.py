"""The memory tier: its bounds, and what it remembers of invalidations."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from holdfast.cache.memory import ENTRY_OVERHEAD_BYTES, MemoryCache
from holdfast.cache.tombstones import Tombstones
from holdfast.domain.names import SecretName
from holdfast.ports import CacheEntry

TTL = timedelta(seconds=60)


class Time:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def entry(revision: int = 1, sealed: bytes = b"sealed") -> CacheEntry:
    return CacheEntry(revision=revision, sealed=sealed)


def names(count: int) -> list[SecretName]:
    return [SecretName(f"name-{number}") for number in range(count)]


async def test_the_least_recently_used_entry_goes_first() -> None:
    cache = MemoryCache(max_ttl=TTL, max_entries=2)
    first, second, third = names(3)
    await cache.put(first, entry(), TTL)
    await cache.put(second, entry(), TTL)
    assert cache.peek(first)
    await cache.put(third, entry(), TTL)
    assert [bool(cache.peek(name)) for name in (first, second, third)] == [True, False, True]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3000), st.integers(1, 5)), max_size=40))
async def test_i14_bytes_are_bounded_and_counted_exactly(puts: list[tuple[int, int, int]]) -> None:
    cache = MemoryCache(max_ttl=TTL, max_bytes=5000)
    for number, size, revision in puts:
        await cache.put(names(10)[number], entry(revision, bytes(size)), TTL)
        weight = sum(
            len(name) + len(held.sealed) + ENTRY_OVERHEAD_BYTES for name in names(10) if (held := cache.peek(name))
        )
        assert weight == cache._bytes <= 5000


async def test_an_entry_larger_than_the_cache_is_not_kept_and_replaces_what_it_succeeds() -> None:
    cache = MemoryCache(max_ttl=TTL, max_bytes=1000)
    (name,) = names(1)
    await cache.put(name, entry(1), TTL)
    await cache.put(name, entry(2, bytes(1000)), TTL)
    assert cache.peek(name) is None


async def test_an_entry_ends_with_its_time_and_never_later_than_the_longest() -> None:
    time = Time()
    cache = MemoryCache(max_ttl=TTL, monotonic=time)
    short, long = names(2)
    await cache.put(short, entry(), timedelta(seconds=10))
    await cache.put(long, entry(), timedelta(days=1))
    time.now_s += 9.9
    assert cache.peek(short)
    time.now_s += 0.1
    assert cache.peek(short) is None
    time.now_s += 49.9
    assert cache.peek(long)
    time.now_s += 0.1
    assert cache.peek(long) is None


async def test_an_invalidation_is_remembered_for_as_long_as_an_entry_may_live() -> None:
    time = Time()
    cache = MemoryCache(max_ttl=TTL, monotonic=time)
    (name,) = names(1)
    await cache.invalidate(name, 5)
    time.now_s += 59.9
    await cache.put(name, entry(4), TTL)
    assert cache.peek(name) is None
    time.now_s += 0.1
    await cache.put(name, entry(4), TTL)
    assert cache.peek(name)


async def test_an_invalidation_outlives_the_eviction_of_its_entry() -> None:
    cache = MemoryCache(max_ttl=TTL, max_entries=1)
    first, second = names(2)
    await cache.invalidate(first, 5)
    await cache.put(first, entry(5), TTL)
    await cache.put(second, entry(1), TTL)
    await cache.put(first, entry(4), TTL)
    assert cache.peek(first) is None


def test_i14_forgotten_tombstones_bound_every_name_until_their_time_is_over() -> None:
    time = Time()
    tombstones = Tombstones(2, 60, time)
    first, second, third, other = names(4)
    for revision, name in enumerate((first, second, third), start=10):
        tombstones.add(name, revision)
        time.now_s += 1
    assert len(tombstones) == 2
    assert [tombstones.floor(name) for name in (first, second, third, other)] == [10, 11, 12, 10]
    time.now_s += 57
    assert [tombstones.floor(name) for name in (first, second, third, other)] == [0, 11, 12, 0]
    time.now_s += 2
    tombstones.add(other, 13)
    assert len(tombstones) == 1


def test_a_lower_invalidation_does_not_undo_a_higher_one() -> None:
    tombstones = Tombstones(2, 60, Time())
    (name,) = names(1)
    tombstones.add(name, 9)
    tombstones.add(name, 3)
    assert tombstones.floor(name) == 9
