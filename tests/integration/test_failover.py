"""I1, I9: a real standby that was behind is promoted under a node that answers all the time."""

from contextlib import AsyncExitStack
from pathlib import Path

from holdfast.embedded.folder import prepare
from holdfast.embedded.postgres import EmbeddedPostgres
from holdfast.stores.postgres.hosts import writable_hosts
from tests.service.test_records_after_failover import back, serving
from tests.service.test_unknown_outcomes import assert_intact, on_record, shipped
from tests.support.folders import short_folder
from tests.support.node import within
from tests.support.postgres import TEMPLATE, fetch, for_database, make_template
from tests.support.standby import standby_beside


async def test_i1_i9_a_failover_with_lag_loses_no_record(used_folder: Path, tmp_path: Path) -> None:
    primary = EmbeddedPostgres(used_folder)
    async with AsyncExitStack() as stack:
        dsn = await primary.start()
        stack.push_async_callback(primary.stop)
        root = stack.enter_context(short_folder())
        pair = await stack.enter_async_context(standby_beside(await made(dsn), root / "data"))
        node = await stack.enter_async_context(serving(pair.dsn, tmp_path))
        await node.service.set_secret("k", "v")
        await node.service.get_secret("k")
        await node.parts.trail.aclose()
        await pair.caught_up()
        await pair.fall_behind()
        for _ in range(50):
            await node.service.get_secret("k")
        await node.parts.trail.aclose()
        await pair.fail_over(prepare(used_folder))

        async def elsewhere() -> bool:
            return node.parts.losses._again_at < float("inf") and await back(node)

        await within(60, elsewhere)
        await shipped(node)
        assert await on_record(pair.standby, "get") == 51
        assert await on_record(pair.standby, "audit.restored") == 1
        assert await node.service.audit.gaps() == []
        await assert_intact(node.service)


async def test_a_standby_that_is_promoted_beside_its_living_primary_is_found(used_folder: Path) -> None:
    primary = EmbeddedPostgres(used_folder)
    async with AsyncExitStack() as stack:
        dsn = await primary.start()
        stack.push_async_callback(primary.stop)
        root = stack.enter_context(short_folder())
        pair = await stack.enter_async_context(standby_beside(dsn, root / "data"))
        assert len(await writable_hosts(pair.dsn)) == 1
        assert await fetch(pair.standby, "SELECT pg_promote()")
        assert len(await writable_hosts(pair.dsn)) == 2


async def made(dsn: str) -> str:
    """The DSN of a migrated database of the server."""
    await make_template(dsn)
    return for_database(dsn, TEMPLATE)
