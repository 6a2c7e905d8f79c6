"""Connections to Redis that take longer to open than a call may wait: they are opened behind the calls."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from holdfast.cache.redis import RedisCache
from holdfast.domain.names import SecretName
from holdfast.ports import CacheEntry
from tests.support.cable import Cable, cable_to
from tests.support.certificates import make_authority
from tests.support.lines import lines_of
from tests.support.node import within
from tests.support.stopwatch import Stopwatch
from tests.support.tls_ports import port_before

TTL = timedelta(seconds=60)
NAME, ENTRY = SecretName("name"), CacheEntry(revision=5, sealed=b"sealed")
PATIENCE = timedelta(milliseconds=300)
LATE_S = 0.9
"""How long opening takes, which is thrice what a call may. Both are thrice a node's, for a machine that is busy."""


class Time:
    """A monotonic clock that stands still: no pause ends by itself."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@asynccontextmanager
async def far_redis(
    redis_url: str, folder: Path, *, tls: bool, clock: Time | None = None, timeout: timedelta = PATIENCE
) -> AsyncIterator[tuple[RedisCache, Cable]]:
    """A cache with little patience, and the cable to its Redis."""
    password, _, socket = redis_url.removeprefix("unix://:").partition("?")[0].partition("@")
    ca, context = make_authority(folder) if tls else (None, None)
    async with port_before(socket, context) as port, cable_to(f"redis://127.0.0.1:{port}/0") as cable:
        url = f"{'rediss' if tls else 'redis'}://:{password}@127.0.0.1:{cable.port}/0"
        seconds = clock or time.monotonic
        cache = RedisCache(url, namespace="far", max_ttl=TTL, ca_file=ca, timeout=timeout, monotonic=seconds)
        try:
            yield cache, cable
        finally:
            await cache.aclose()


async def hits(cache: RedisCache) -> bool:
    await asyncio.sleep(0.01)
    return await cache.get(NAME) == ENTRY


async def kept(cache: RedisCache) -> bool:
    """Whether an entry arrived in Redis."""
    await cache.put(NAME, ENTRY, TTL)
    return await hits(cache)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
async def test_a_redis_that_is_slow_to_open_comes_into_use_and_stays_in_use(
    redis_url: str, tls: bool, tmp_path: Path
) -> None:
    with lines_of("holdfast") as told:
        async with far_redis(redis_url, tmp_path, tls=tls, clock=Time()) as (cache, cable):
            cable.late_s = LATE_S
            assert await cache.get(NAME) is None, "it waited for the connection"
            await within(10, lambda: kept(cache))
            for _ in range(20):
                assert await cache.get(NAME) == ENTRY
            assert cache.healthy()
            assert cable.connections == 1
    assert not told, "slow is no outage"


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
async def test_however_many_call_only_one_connection_is_being_opened_and_no_one_waits_for_it(
    redis_url: str, tls: bool, tmp_path: Path
) -> None:
    async with far_redis(redis_url, tmp_path, tls=tls, clock=Time()) as (cache, cable):
        cable.freeze()
        for _ in range(3):
            assert await asyncio.gather(*(cache.get(NAME) for _ in range(300))) == [None] * 300
        assert cable.connections == 1
        assert not cache.healthy()
        cable.mend()
        await within(10, lambda: kept(cache))
        assert cable.connections == 1


async def test_a_crowd_gets_more_connections_and_as_many_as_there_may_be(redis_url: str, tmp_path: Path) -> None:
    async with far_redis(redis_url, tmp_path, tls=False, timeout=timedelta(seconds=20)) as (cache, cable):
        await within(10, lambda: kept(cache))

        async def grown() -> bool:
            await asyncio.gather(*(cache.get(NAME) for _ in range(200)))
            return cable.connections == 8

        await within(20, grown)
        await asyncio.gather(*(cache.get(NAME) for _ in range(200)))
        assert cable.connections == 8


async def test_a_redis_that_is_away_is_tried_once_per_pause(redis_url: str, tmp_path: Path) -> None:
    clock = Time()
    async with far_redis(redis_url, tmp_path, tls=False, clock=clock) as (cache, cable):
        await within(10, lambda: kept(cache))
        cable.cut()
        tried = cable.connections
        with lines_of("holdfast") as told:
            for _ in range(3):
                for _ in range(50):
                    assert await cache.get(NAME) is None
                clock.now_s += 6
        assert cable.connections - tried <= 3
        assert [level for level, _ in told] == ["warning"]
        cable.mend()
        assert await cache.get(NAME) == ENTRY


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
async def test_closing_gives_up_what_is_being_opened_and_waits_for_no_goodbye(
    redis_url: str, tls: bool, tmp_path: Path
) -> None:
    async with far_redis(redis_url, tmp_path, tls=tls) as (cache, cable):
        await within(10, lambda: kept(cache))
        cable.freeze()
        await asyncio.gather(*(cache.get(NAME) for _ in range(20)))  # of which at least one began to open another
        watch = Stopwatch()
        await cache.aclose()
        assert watch.seconds() < 4
        assert not [task for task in asyncio.all_tasks() if "Redis" in task.get_name()]
        opened = cable.connections
        assert await cache.get(NAME) is None
        assert cable.connections == opened
