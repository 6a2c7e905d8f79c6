"""The servers that the other tests rely on: clean for each test, and not open to everybody."""

import pytest
import redis

from tests.support.postgres import execute


@pytest.mark.parametrize("turn", [1, 2])
async def test_each_test_has_a_database_of_its_own(database_url: str, turn: int) -> None:
    await execute(database_url, "CREATE TABLE mine (id int)")


@pytest.mark.parametrize("turn", [1, 2])
def test_redis_is_empty_when_a_test_begins(redis_url: str, turn: int) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("mine", turn)


def test_redis_asks_for_its_password(redis_url: str) -> None:
    without_password = "unix://" + redis_url.split("@")[1]
    with redis.Redis.from_url(without_password) as client, pytest.raises(redis.AuthenticationError):
        client.ping()
