"""How rules reach other nodes: lost news, a crowded channel, a node that is cut off."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import AccessDenied, LeaseExpired, Unauthenticated
from holdfast.service.manager import SecretsService
from tests.support.cable import cable_to
from tests.support.node import ALICE, BOB, service_on, within
from tests.support.postgres import execute

QUIETLY = "DELETE FROM secret_access_control WHERE user_id = 'alice'", "UPDATE access_epoch SET epoch = epoch + 1"
"""A revocation whose announcement is lost on the way."""


def asking(service: SecretsService, name: str, user: str, expected: bool) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return await service.check_access(name, user, "get") is expected

    return look


async def test_i6_a_revocation_whose_news_is_lost_counts_within_a_second(database_url: str, tmp_path: Path) -> None:
    async with service_on(database_url, tmp_path) as service:
        await service.grant_access("k", "alice", ["get"])
        await service.grant_access("k", "bob", ["get"])
        await execute(database_url, *QUIETLY)
        assert await within(1.5, asking(service, "k", "alice", expected=False)) <= 1.0
        assert await service.check_access("k", "bob", "get")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE api_tokens SET revoked_at = now()",
        "UPDATE identities SET disabled_at = now()",
        "DELETE FROM identities",
    ],
)
@pytest.mark.parametrize("news", ["ENABLE", "DISABLE"])
async def test_i6_a_token_taken_back_counts_within_a_second_even_if_the_news_is_lost(
    database_url: str, tmp_path: Path, change: str, news: str
) -> None:
    async with service_on(database_url, tmp_path) as service:
        await service.identities.add("app")
        new = await service.tokens.create("app")

        async def refused() -> bool:
            try:
                service.prove_token(new.token)
            except Unauthenticated:
                return True
            return False

        assert not await refused()
        await execute(
            database_url,
            f"BEGIN; ALTER TABLE identities {news} TRIGGER announce; ALTER TABLE api_tokens {news} TRIGGER announce; "
            f"{change}; UPDATE identity_epoch SET epoch = epoch + 1; COMMIT",
        )
        assert await within(1.5, refused) <= 1.0


async def test_i6_a_crowded_channel_delays_no_revocation(database_url: str, tmp_path: Path) -> None:
    async with service_on(database_url, tmp_path) as service:
        await service.grant_access("k", "alice", ["get"])

        async def crowd() -> None:
            for number in range(100_000):
                await execute(database_url, *[f"NOTIFY holdfast, 'secret:k{number}-{n}:1'" for n in range(50)])

        crowding = asyncio.create_task(crowd())
        try:
            await asyncio.sleep(0.2)
            await execute(database_url, *QUIETLY)
            await within(2, asking(service, "k", "alice", expected=False))
        finally:
            crowding.cancel()


async def test_i6_roles_and_groups_reach_other_nodes(database_url: str, tmp_path: Path) -> None:
    async with service_on(database_url, tmp_path / "1") as here, service_on(database_url, tmp_path / "2") as there:
        for _ in range(3):
            await here.access.assign_role("alice", "reader", "app-*")
            await within(1, asking(there, "app-db", "alice", expected=True))
            await here.access.unassign_role("alice", "reader", "app-*")
            assert not await here.check_access("app-db", "alice", "get")
            await within(1, asking(there, "app-db", "alice", expected=False))


async def test_i6_a_node_that_is_cut_off_serves_for_the_lease_of_each_secret_and_then_refuses(
    database_url: str, tmp_path: Path
) -> None:
    leases: dict[str, Any] = {"grant_lease": timedelta(seconds=4), "grant_leases": (("brief-*", timedelta(seconds=1)),)}
    async with service_on(database_url, tmp_path / "1") as here, cable_to(database_url) as cable:
        for name in ("brief-db", "k"):
            await here.set_secret(name, "v")
            await here.grant_access(name, "alice", ["get"])
        await here.grant_access("k", "bob", ["get"])
        async with service_on(cable.dsn, tmp_path / "2", **leases) as far:

            async def refused(name: str) -> bool:
                try:
                    await far.get_secret(name, context=ALICE)
                except LeaseExpired:
                    return True
                return False

            assert not await refused("brief-db")
            assert not await refused("k")
            cable.cut()
            await here.revoke_access("k", "bob")
            await within(10, lambda: refused("brief-db"))
            assert (await far.get_secret("k", context=ALICE)).value == "v"  # the longer lease still runs
            assert (await far.get_secret("k", context=BOB)).value == "v"  # and nobody could tell this node
            await within(10, lambda: refused("k"))
            with pytest.raises(LeaseExpired):
                await far.get_secret("k", context=BOB)
            cable.mend()

            async def back() -> bool:
                return not await refused("k") and not await refused("brief-db")

            await within(10, back)
            with pytest.raises(AccessDenied):
                await far.get_secret("k", context=BOB)
