"""A policy names secrets that a rotation works with: whoever writes it must be allowed to read them."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from holdfast import AccessContext, RotationPolicy
from holdfast.errors import AccessDenied
from tests.rotation.test_handlers import logs_in, make_roles
from tests.support.node import Inside, opened

MALLORY = AccessContext(user_id="mallory", ip_address="10.0.0.5", user_agent="test")


@pytest.fixture
async def inside(database_url: str, data_folder: Path) -> AsyncIterator[Inside]:
    async with opened(database_url, data_folder, cache_ttl=timedelta(seconds=1)) as node:
        await node.service.set_secret("pg-admin", database_url)
        await node.service.grant_access("mine-*", "mallory", ["get", "set", "rotate"], granted_by="owner")
        yield node


def policy(role: str = "reports") -> RotationPolicy:
    return RotationPolicy(handler="postgresql", options={"admin_secret": "pg-admin", "role": role})


async def test_nobody_takes_a_role_over_with_an_administrator_that_is_not_theirs(
    inside: Inside, database_url: str
) -> None:
    await make_roles(database_url, "reports")
    with pytest.raises(AccessDenied, match="pg-admin"):
        await inside.service.set_secret("mine-a", "x", rotation_policy=policy(), context=MALLORY)
    await inside.service.set_secret("mine-b", "x", context=MALLORY)
    with pytest.raises(AccessDenied, match="pg-admin"):
        await inside.service.update_secret("mine-b", rotation_policy=policy(), context=MALLORY)
    signed = RotationPolicy(handler="webhook", options={"url": "https://example.com/", "signing_secret": "whsec"})
    with pytest.raises(AccessDenied, match="whsec"):
        await inside.service.update_secret("mine-b", rotation_policy=signed, context=MALLORY)
    assert await logs_in(database_url, "reports", "first")
    failed = [each for each in await inside.service.get_access_history("mine-b", 10) if not each.success]
    assert {(each.user_id, each.operation) for each in failed} == {("mallory", "update")}


async def test_what_an_administrator_has_set_up_is_left_alone_but_not_pointed_elsewhere(inside: Inside) -> None:
    await inside.service.set_secret("mine-c", "x", rotation_policy=policy())
    await inside.service.set_secret("mine-c", "y", context=MALLORY)
    rarer = replace(policy(), interval_days=120)
    await inside.service.update_secret("mine-c", rotation_policy=rarer, context=MALLORY)
    with pytest.raises(AccessDenied, match="pg-admin"):
        await inside.service.update_secret("mine-c", rotation_policy=policy("postgres"), context=MALLORY)
    with pytest.raises(AccessDenied, match="pg-admin"):
        await inside.service.set_secret("mine-c", "z", rotation_policy=policy("postgres"), context=MALLORY)


async def test_whoever_may_read_the_administrator_may_name_it(inside: Inside) -> None:
    await inside.service.grant_access("pg-admin", "mallory", ["get"], granted_by="owner")
    await inside.service.set_secret("mine-d", "x", rotation_policy=policy(), context=MALLORY)
