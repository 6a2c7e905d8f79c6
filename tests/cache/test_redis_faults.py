"""Redis broken in every way: answers stay right, nothing is raised, and little time is lost."""

import asyncio
import logging
import os
import pickle
import signal
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis

from holdfast.cache.redis import MAX_ENTRY_BYTES, RedisCache
from holdfast.crypto.certificates import ensure_server_certificate
from holdfast.domain.extras import to_add
from holdfast.domain.names import SecretName
from holdfast.errors import ConfigurationError
from holdfast.ports import CacheEntry
from tests.support.folders import short_folder
from tests.support.lines import lines_of
from tests.support.redis import running_redis
from tests.support.stopwatch import Stopwatch

TTL = timedelta(seconds=60)
SHORT = timedelta(milliseconds=100)
PATIENT = timedelta(seconds=10)
NAME = SecretName("name")
OTHER = SecretName("other")
ENTRY = CacheEntry(revision=5, sealed=b"sealed-canary")


class Time:
    """A monotonic clock that stands still until it is moved: pauses end when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s

    def end_the_pause(self) -> None:
        self.now_s += 6


@pytest.fixture
def own_redis() -> Iterator[str]:
    """The URL of a Redis that the test may break."""
    with short_folder() as folder, running_redis(folder) as url:
        yield url


@asynccontextmanager
async def opened(
    url: str, clock: Callable[[], float] = time.monotonic, *, timeout: timedelta = PATIENT, namespace: str = "test"
) -> AsyncIterator[RedisCache]:
    cache = RedisCache(url, namespace=namespace, max_ttl=TTL, timeout=timeout, monotonic=clock)
    try:
        yield cache
    finally:
        await cache.aclose()


def process_id(url: str) -> int:
    with redis.Redis.from_url(url) as client:
        return int(client.info("server")["process_id"])


def raw(url: str, command: str, *arguments: str | bytes | int, name: str = NAME) -> object:
    with redis.Redis.from_url(url) as client:
        return client.execute_command(command, f"holdfast:test:{name}", *arguments)


@contextmanager
def hanging(url: str, cache: RedisCache) -> Iterator[None]:
    """Redis hangs inside, and the cache has little patience; afterwards the answer counts, not its speed."""
    pid, patience_s = process_id(url), cache._timeout_s
    os.kill(pid, signal.SIGSTOP)
    cache._timeout_s = 0.1
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
        cache._timeout_s = patience_s


async def use_all(cache: RedisCache, name: SecretName = NAME) -> None:
    """Every method; each of them must return."""
    assert await cache.get(name) is None
    await cache.put(name, ENTRY, TTL)
    await cache.invalidate(name, 4)
    await cache.clear()
    assert await cache.get(name) is None


async def seconds(work: Awaitable[object]) -> float:
    watch = Stopwatch()
    await work
    return watch.seconds()


async def test_a_killed_redis_is_an_empty_one(own_redis: str) -> None:
    async with opened(own_redis) as cache:
        await cache.put(NAME, ENTRY, TTL)
        assert await cache.get(NAME) == ENTRY
        os.kill(process_id(own_redis), signal.SIGKILL)
        await use_all(cache)
        assert not cache.healthy()


async def test_a_hanging_redis_costs_one_timeout_and_then_nothing(own_redis: str) -> None:
    clock, pid = Time(), process_id(own_redis)
    async with opened(own_redis, clock, timeout=SHORT) as cache:
        os.kill(pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            first = await seconds(cache.get(NAME))
            assert time.monotonic() - began > SHORT.total_seconds() * 0.9
            # A thousand uses of a Redis that hangs would take 100 s, were they to wait.
            rest = await seconds(asyncio.gather(*(cache.get(NAME) for _ in range(1000))))
            clock.end_the_pause()
            probe = await seconds(asyncio.gather(*(cache.get(NAME) for _ in range(1000))))
        finally:
            os.kill(pid, signal.SIGCONT)
    assert first < 5
    assert rest < 5
    assert probe < 5
    assert not cache.healthy()


async def test_many_readers_share_one_timeout_when_redis_begins_to_hang(own_redis: str) -> None:
    pid = process_id(own_redis)
    async with opened(own_redis, timeout=SHORT) as cache:
        os.kill(pid, signal.SIGSTOP)
        try:
            assert await seconds(asyncio.gather(*(cache.get(NAME) for _ in range(200)))) < 5
        finally:
            os.kill(pid, signal.SIGCONT)


async def test_the_late_answer_of_a_hanging_redis_is_never_taken_for_another(own_redis: str) -> None:
    clock = Time()
    async with opened(own_redis, clock) as cache:
        await cache.put(NAME, ENTRY, TTL)
        await cache.put(OTHER, CacheEntry(revision=9, sealed=b"other"), TTL)
        with hanging(own_redis, cache):
            assert await cache.get(NAME) is None
        assert await cache.get(OTHER) is None, "left alone until the pause ends"
        clock.end_the_pause()
        for _ in range(3):
            assert await cache.get(OTHER) == CacheEntry(revision=9, sealed=b"other")
            assert await cache.get(NAME) == ENTRY
        assert cache.healthy()


async def test_a_flushed_redis_is_an_empty_one_scripts_included(own_redis: str) -> None:
    async with opened(own_redis) as cache:
        await cache.put(NAME, ENTRY, TTL)
        with redis.Redis.from_url(own_redis) as client:
            client.flushall()
            client.script_flush()
        assert await cache.get(NAME) is None
        await cache.put(NAME, ENTRY, TTL)
        assert await cache.get(NAME) == ENTRY
        assert cache.healthy()


@pytest.mark.parametrize("password", ["wrong", ""])
async def test_a_wrong_or_missing_password_is_a_miss(
    redis_url: str, password: str, caplog: pytest.LogCaptureFixture
) -> None:
    right = redis_url.removeprefix("unix://:").split("@")[0]
    async with opened(redis_url.replace(right, password)) as cache:
        await use_all(cache)
        assert not cache.healthy()
    assert right not in caplog.text
    assert len(caplog.records) == 1


@pytest.mark.parametrize("settings", [{"maxmemory": "1"}, {"min-replicas-to-write": "3"}], ids=["OOM", "NOREPLICAS"])
async def test_i13_a_refused_write_is_a_miss_and_the_log_holds_no_value(
    own_redis: str, settings: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with redis.Redis.from_url(own_redis) as client:
        client.config_set("maxmemory-policy", "noeviction")
        for setting, value in settings.items():
            client.config_set(setting, value)
    async with opened(own_redis) as cache:
        await cache.put(NAME, ENTRY, TTL)
        assert not cache.healthy()
        assert await cache.get(NAME) is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "canary" not in caplog.text


async def test_a_read_only_replica_is_a_miss(own_redis: str) -> None:
    with redis.Redis.from_url(own_redis) as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
    async with opened(own_redis) as cache:
        await cache.put(NAME, ENTRY, TTL)
        assert await cache.get(NAME) is None


JUNK = {
    "text": b"junk",
    "pickle": pickle.dumps({"a": 1}),
    "empty": b"",
    "another format": b"2" + b"0" * 19 + b"9E" + b"sealed",
    "half a header": b"1" + b"0" * 19,
    "no digits": b"1" + b"x" * 20 + b"E" + b"sealed",
    "too large": b"1" + b"0" * 19 + b"1E" + bytes(MAX_ENTRY_BYTES + 1),
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
async def test_junk_is_a_miss_and_gets_overwritten(redis_url: str, junk: bytes) -> None:
    raw(redis_url, "SET", junk)
    async with opened(redis_url) as cache:
        assert await cache.get(NAME) is None
        await cache.put(NAME, ENTRY, TTL)
        assert await cache.get(NAME) == ENTRY
        assert cache.healthy()


async def test_an_outage_is_two_lines(own_redis: str) -> None:
    clock = Time()
    async with opened(own_redis, clock) as cache:
        await cache.get(NAME)
        with lines_of("holdfast") as told:
            for _ in range(3):
                with hanging(own_redis, cache):
                    for _ in range(3):
                        await cache.get(NAME)
                clock.end_the_pause()
            for _ in range(3):
                await cache.get(NAME)
    assert [level for level, _ in told] == ["warning", "info"], told


async def test_another_type_is_a_miss_and_gets_overwritten(redis_url: str) -> None:
    raw(redis_url, "LPUSH", b"x")
    async with opened(redis_url) as cache:
        assert await cache.get(NAME) is None
        assert cache.healthy()
        await cache.put(NAME, ENTRY, TTL)
        assert await cache.get(NAME) == ENTRY


async def test_a_huge_value_is_not_read_whole(redis_url: str) -> None:
    raw(redis_url, "SETRANGE", 50_000_000, b"x")
    async with opened(redis_url) as cache:
        assert await cache.get(NAME) is None
        with redis.Redis.from_url(redis_url) as client:
            before = int(client.info("stats")["total_net_output_bytes"])
            assert await cache.get(NAME) is None
            assert int(client.info("stats")["total_net_output_bytes"]) - before < 1_000_000


async def test_an_entry_over_the_limit_is_not_stored(redis_url: str) -> None:
    async with opened(redis_url) as cache:
        await cache.put(NAME, CacheEntry(revision=1, sealed=bytes(MAX_ENTRY_BYTES)), TTL)
        await cache.put(OTHER, CacheEntry(revision=1, sealed=bytes(MAX_ENTRY_BYTES + 1)), TTL)
        assert await cache.get(NAME)
        assert raw(redis_url, "EXISTS", name=OTHER) == 0


async def test_i5_an_old_entry_put_back_after_its_invalidation_is_not_served(redis_url: str) -> None:
    async with opened(redis_url) as cache:
        await cache.put(NAME, ENTRY, TTL)
        stolen = raw(redis_url, "GET")
        assert isinstance(stolen, bytes)
        await cache.invalidate(NAME, 6)
        raw(redis_url, "SET", stolen)
        assert await cache.get(NAME) is None


async def test_i5_an_invalidation_during_an_outage_holds_here_at_once_and_everywhere_after_it(own_redis: str) -> None:
    clock = Time()
    async with opened(own_redis, clock) as other_node, opened(own_redis, clock) as cache:
        await other_node.put(NAME, ENTRY, TTL)
        with hanging(own_redis, cache):
            await cache.invalidate(NAME, 6)
        assert not cache.healthy()
        clock.end_the_pause()
        assert await cache.get(OTHER) is None
        assert cache.healthy()
        assert await cache.get(NAME) is None
        assert await other_node.get(NAME) is None


async def test_a_clearing_during_an_outage_is_made_good_before_anything_is_served(own_redis: str) -> None:
    clock = Time()
    async with opened(own_redis, clock) as other_node, opened(own_redis, clock) as cache:
        await other_node.put(NAME, ENTRY, TTL)
        with hanging(own_redis, cache):
            await cache.clear()
        clock.end_the_pause()
        assert await cache.get(NAME) is None
        assert await other_node.get(NAME) is None


async def test_a_clearing_leaves_what_is_not_ours(redis_url: str) -> None:
    async with opened(redis_url) as ours, opened(redis_url, namespace=uuid.uuid4().hex) as theirs:
        await ours.put(NAME, ENTRY, TTL)
        await theirs.put(NAME, ENTRY, TTL)
        await ours.clear()
        assert await ours.get(NAME) is None
        assert await theirs.get(NAME) == ENTRY


async def test_entries_live_for_their_time_give_or_take_a_tenth(redis_url: str) -> None:
    async with opened(redis_url) as cache:
        lives = set()
        for number in range(20):
            await cache.put(SecretName(f"n-{number}"), ENTRY, timedelta(days=1))
            lives.add(raw(redis_url, "PTTL", name=f"n-{number}"))
        assert all(isinstance(life, int) and 50_000 < life <= 66_000 for life in lives)
        assert len(lives) > 5


@pytest.mark.parametrize("url", ["", "localhost", "http://:hunter2@localhost", "redis://:hunter2@localhost:port/0"])
def test_i13_an_unusable_url_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ConfigurationError, match="REDIS_URL") as refusal:
        RedisCache(url, namespace="test", max_ttl=TTL)
    assert "hunter2" not in str(refusal.value)
    assert refusal.value.__suppress_context__


@pytest.mark.parametrize("namespace", ["", "*", "a:b", "a" * 65])
def test_a_namespace_cannot_reach_beyond_itself(namespace: str) -> None:
    with pytest.raises(ValueError, match="namespace"):
        RedisCache("redis://localhost", namespace=namespace, max_ttl=TTL)


@asynccontextmanager
async def tls_in_front_of(url: str, folder: Path) -> AsyncIterator[tuple[int, Path]]:
    """A TLS port that leads to the Redis of ``url``, and the CA to trust."""
    certificate = ensure_server_certificate(folder, (), now=datetime.now(UTC))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.chain_file)
    socket = url.partition("@")[2].partition("?")[0]

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while content := await reader.read(65536):
            writer.write(content)
        writer.close()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(socket)
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

    async with await asyncio.start_server(forward, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1], certificate.ca_file


async def test_tls_is_used_with_the_given_ca_and_refused_without_it(redis_url: str, tmp_path: Path) -> None:
    password = redis_url.removeprefix("unix://:").split("@")[0]
    async with tls_in_front_of(redis_url, tmp_path) as (port, ca_file):
        url = f"rediss://:{password}@localhost:{port}/0"
        trusting = RedisCache(url, namespace="test", max_ttl=TTL, ca_file=ca_file, timeout=PATIENT)
        await trusting.put(NAME, ENTRY, TTL)
        assert await trusting.get(NAME) == ENTRY
        await trusting.aclose()
        async with opened(url) as distrusting:
            assert await distrusting.get(NAME) is None
            assert not distrusting.healthy()


WITHOUT_THE_CLIENT = """
import sys, datetime
sys.modules["redis.asyncio"] = None
from holdfast.cache.redis import RedisCache
from holdfast.errors import StartupError

try:
    RedisCache("redis://localhost", namespace="test", max_ttl=datetime.timedelta(seconds=1))
except StartupError as error:
    print(error)
"""


def test_a_missing_client_library_is_said_with_its_mend() -> None:
    assert to_add("redis") in subprocess.check_output([sys.executable, "-c", WITHOUT_THE_CLIENT], text=True)
