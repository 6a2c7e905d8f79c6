"""What a Redis says of itself."""

import redis

from holdfast.cache.inspection import look_at
from tests.support.folders import short_folder
from tests.support.redis import running_redis


async def test_a_replica_is_seen_by_whoever_looks() -> None:
    with short_folder() as folder, running_redis(folder) as url:
        assert not (await look_at(url)).read_only
        with redis.Redis.from_url(url) as client:
            client.replicaof("127.0.0.1", 1)
        assert (await look_at(url)).read_only
