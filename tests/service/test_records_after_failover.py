"""I1, I9: a standby that was behind is promoted, and every answer is on record all the same, with no gap."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from holdfast.errors import BackendUnavailable
from holdfast.resilience.tasks import stopped
from holdfast.service.manager import SecretsService
from tests.service.test_database_went_back import Standby, standby_of
from tests.service.test_unknown_outcomes import assert_intact, on_record, shipped
from tests.support.node import FailingSink, Inside, opened, within


@asynccontextmanager
async def serving(dsn: str, folder: Path) -> AsyncIterator[Inside]:
    """A node that goes on comparing its newest records, as one in service does."""
    async with opened(dsn, folder) as node:
        comparing = asyncio.ensure_future(node.parts.audit.background()["audit tail"]())
        yield node
        await stopped(comparing)


async def back(node: Inside) -> bool:
    """Whether the node is with its database again, and has nothing left to compare with it."""
    return node.parts.feed.live() and not node.parts.trail.comparing and await changes(node.service)


async def changes(service: SecretsService) -> bool:
    try:
        await service.set_secret("probe", "v")
    except BackendUnavailable:
        return False
    return True


async def promoted(standby: Standby, node: Inside) -> None:
    await standby.promote()

    async def elsewhere() -> bool:
        return node.parts.losses._again_at < float("inf") and await back(node)

    await within(60, elsewhere)


async def test_i1_i9_what_an_older_standby_lacks_is_on_record_again_and_leaves_no_gap(
    database_url: str, tmp_path: Path
) -> None:
    async with serving(database_url, tmp_path) as node:
        await node.service.set_secret("k", "v")
        await node.service.get_secret("k")
        async with standby_of(database_url) as standby:
            await within(60, lambda: back(node))
            for _ in range(20):
                await node.service.get_secret("k")
            await node.service.set_secret("lost", "v")
            await node.parts.trail.aclose()
            assert await on_record(database_url, "get") == 21
            await promoted(standby, node)
            await shipped(node)
            assert await on_record(database_url, "get") == 21
            assert await on_record(database_url, "audit.restored") == 1
            assert await on_record(database_url, "set", "lost") == 1, "made, acknowledged, and lost with the primary"
            assert await node.service.audit.gaps() == []
            assert await node.parts.audit.checkpointer.make()
            await assert_intact(node.service)


async def test_i1_i9_records_outlive_a_failover_during_a_restart(database_url: str, tmp_path: Path) -> None:
    async with serving(database_url, tmp_path) as node:
        await node.service.set_secret("k", "v")
        await node.service.get_secret("k")
    async with standby_of(database_url) as standby:
        async with serving(database_url, tmp_path) as node:
            await node.service.get_secret("k")
            await node.service.get_secret("k")
        assert await on_record(database_url, "get") == 3
        await standby.promote()
        async with serving(database_url, tmp_path) as node:
            await shipped(node)
            assert await on_record(database_url, "get") == 3
            await assert_intact(node.service)


async def test_i1_i9_what_was_shipped_is_shipped_again_after_a_failover(database_url: str, tmp_path: Path) -> None:
    async with serving(database_url, tmp_path) as node:
        await node.service.set_secret("k", "v")
        await node.parts.trail.aclose()
        async with standby_of(database_url) as standby:
            await within(60, lambda: back(node))
            archive, node.parts.trail._first = node.parts.trail._first, FailingSink()  # an outage
            await node.service.get_secret("k")
            node.parts.trail._first, node.parts.trail._first_failed_at = archive, None
            await shipped(node)
            assert await on_record(database_url, "get") == 1
            await promoted(standby, node)
            await shipped(node)
            assert await on_record(database_url, "get") == 1
            await assert_intact(node.service)


async def test_i9_a_record_that_waits_again_after_a_failover_has_one_place(database_url: str, tmp_path: Path) -> None:
    async with serving(database_url, tmp_path) as node:
        await node.service.set_secret("j", "v")
        await node.parts.trail.aclose()
        node.database.recorded = lambda: None
        await node.service.set_secret("k", "v")
        async with standby_of(database_url) as standby:  # which has the record, and does not hear of its place
            await within(60, lambda: back(node))
            node.database.recorded = node.parts.trail.take_in
            node.parts.trail.take_in()
            await node.parts.trail.aclose()
            await promoted(standby, node)
            await shipped(node)
            assert await on_record(database_url, "set", "k") == 1
            await assert_intact(node.service)
