"""What goes on beside serving outlives what nobody foresaw."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from holdfast.bootstrap.background import background, presence_of
from holdfast.resilience.tasks import stopped
from holdfast.stores.postgres.clock import BelievedClock
from tests.support.node import Inside, opened, within
from tests.support.scripted_vault import ScriptedVault

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename NOT LIKE 'holdfast_%'"

OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
async def node(
    database_url: str, tmp_path: Path, scripted: ScriptedVault, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Inside]:
    """A node whose rounds follow each other at once."""

    async def briefly(_: BelievedClock, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.05))

    monkeypatch.setattr(BelievedClock, "sleep", briefly)
    streams = [f"file:{tmp_path / 'records'}"]
    async with opened(
        database_url,
        tmp_path,
        scripted,
        audit_retention=timedelta(days=400),
        audit_streams=streams,
        sync_interval=timedelta(seconds=1),
    ) as inside:
        yield inside


@asynccontextmanager
async def working(node: Inside) -> AsyncIterator[set[str]]:
    """Everything that goes on beside serving."""
    works = background(node.parts, presence_of(node.parts))
    tasks = [asyncio.create_task(node.parts.supervisor.run(name, work)) for name, work in works.items()]
    try:
        yield set(works)
    finally:
        for task in tasks:
            await stopped(task)


async def rename(dsn: str, suffix: str, *, back: bool = False) -> None:
    """Take all tables away, or give them back; a connection that has prepared a statement would go on finding them."""
    connection = await asyncpg.connect(dsn)
    for (table,) in await connection.fetch(TABLES):
        new = table.removesuffix(suffix) if back else table + suffix
        await connection.execute(f'ALTER TABLE "{table}" RENAME TO "{new}"')
    await connection.execute(OTHERS)
    await connection.close()


EVENTFUL = {"wakefulness", "audit tail", "audit notes", "former values"}
"""Work that asks PostgreSQL nothing, or not before a pause, a reconnection or the end of a pass."""


async def test_no_work_ends_for_good_whatever_it_meets(node: Inside, database_url: str) -> None:
    """A schema that is changed by hand is a fault that no loop knows: all go on, and say what they fail at."""
    failed: set[str] = set()
    async with working(node) as works:

        async def all_failed() -> bool:
            node.parts.directory._used[uuid4()] = datetime.now(UTC)  # so that there is a use to be noted
            failed.update(fault.work.partition(" (")[0] for fault in node.parts.supervisor.failing())
            return {*works, "feed"} - EVENTFUL <= failed

        async def all_well() -> bool:
            return not node.parts.supervisor.failing()

        await within(120, all_well)
        await rename(database_url, "_away")
        try:
            await within(120, all_failed)
        except AssertionError:
            raise AssertionError(f"not named: {({*works, 'feed'}) - EVENTFUL - failed}") from None
        await rename(database_url, "_away", back=True)
        await within(120, all_well)
        report = await node.service.get_secret_health()
        assert (report.failing_work, report.healthy) == ([], True), report.recommendations


async def test_health_names_what_fails_beside_serving(node: Inside) -> None:
    async def work() -> None:
        raise KeyError("s3cret")

    task = asyncio.create_task(node.parts.supervisor.run("gauges", work))
    await within(30, lambda: _failing(node))
    report = await node.service.get_secret_health()
    await stopped(task)
    assert not report.healthy
    assert [(each.work, each.reason) for each in report.failing_work] == [("gauges", "KeyError")]
    assert any(advice.startswith("gauges fails since ") for advice in report.recommendations)


async def _failing(node: Inside) -> bool:
    return bool(node.parts.supervisor.failing())
