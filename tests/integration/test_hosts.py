"""The hosts of one DATABASE_URL: which of them take changes."""

from urllib.parse import urlsplit, urlunsplit

import pytest

from holdfast.config.libpq import each_host
from holdfast.stores.postgres.hosts import writable_hosts
from tests.support.cable import cable_to


@pytest.mark.parametrize(
    ("dsn", "hosts"),
    [
        ("postgresql://u:p@a/d", [("a", "postgresql://u:p@a/d")]),
        (
            "postgresql://u:p@a:1,b:2/d?sslmode=require&target_session_attrs=read-write",
            [("a:1", "postgresql://u:p@a:1/d?sslmode=require"), ("b:2", "postgresql://u:p@b:2/d?sslmode=require")],
        ),
        (
            "postgresql://u:p@/d?host=a,b&port=1,2",
            [("a", "postgresql://u:p@/d?host=a&port=1"), ("b", "postgresql://u:p@/d?host=b&port=2")],
        ),
    ],
)
def test_every_host_has_an_address_of_its_own(dsn: str, hosts: list[tuple[str, str]]) -> None:
    assert each_host(dsn) == hosts


async def test_a_server_with_two_addresses_is_one_and_one_that_is_away_is_none(database_url: str) -> None:
    async with cable_to(database_url) as here, cable_to(database_url) as too:
        one, other = (urlsplit(cable.dsn) for cable in (here, too))
        hosts = [each.netloc.rpartition("@")[2] for each in (one, other)]
        both = urlunsplit(one._replace(netloc=f"{one.netloc},{hosts[1]}"))
        assert await writable_hosts(both) == [hosts[0]]
        too.cut()
        assert await writable_hosts(both) == [hosts[0]]
        here.cut()
        assert await writable_hosts(both) == []
