"""What a Redis says of itself."""

from typing import Never

import pytest
import redis

from holdfast.cache.inspection import look_at
from holdfast.cache.logins import Login
from holdfast.errors import BackendUnavailable, ConfigurationError
from tests.support.folders import short_folder
from tests.support.redis import running_redis


async def test_a_replica_is_seen() -> None:
    with short_folder() as folder, running_redis(folder) as url:
        assert not (await look_at(url)).read_only
        with redis.Redis.from_url(url) as client:
            client.replicaof("127.0.0.1", 1)
        assert (await look_at(url)).read_only


@pytest.mark.parametrize("url", ["neither://x", "redis://127.0.0.1:1/0"])
async def test_who_logs_in_is_closed_however_it_ends(url: str) -> None:
    closed = []

    async def ask() -> Never:
        raise AssertionError("no token is asked for, where there is no connection")

    async def close() -> None:
        closed.append(url)

    with pytest.raises((BackendUnavailable, ConfigurationError)):
        await look_at(url, login=Login(ask, close))
    assert closed == [url]
