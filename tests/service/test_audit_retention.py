"""I9: records whose time is over go in whole months, behind a signature; what is left is still proven."""

from datetime import UTC, datetime, timedelta

import pytest

from holdfast.crypto.signing import KeyFile, key_line
from holdfast.domain.audit import AuditRecord
from holdfast.domain.chain import Chain, ChainId
from holdfast.domain.verification import Verdict, verify
from holdfast.service.audit.streaming import RECORDS
from holdfast.stores.postgres.audit import PostgresAuditSink
from tests.support.node import Inside, rows
from tests.support.postgres import execute, fetch

KEEP = timedelta(days=30)


async def old_records(inside: Inside, dsn: str) -> Chain:
    """A chain over the last two months and this one, with one old record among the new ones; all of it signed."""
    now = await fetch(dsn, "SELECT date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'")
    assert isinstance(now, datetime)
    await execute(
        dsn,
        "DROP TABLE secret_access_logs_past",
        *(partition(now, months) for months in (3, 2, 1)),
        f"CREATE TABLE secret_access_logs_past PARTITION OF secret_access_logs "
        f"FOR VALUES FROM (MINVALUE) TO ('{earlier(now, 3):%Y-%m-%d}')",
    )
    times = [earlier(now, 4), earlier(now, 3), earlier(now, 3), earlier(now, 2), now, earlier(now, 3), now]
    chain = Chain(ChainId(inside.parts.trail._writer_id, 1))
    entries = chain.extend(
        AuditRecord(timestamp=time, user_id="u", operation="get", name="k", success=True) for time in times
    )
    await PostgresAuditSink(inside.database).write(entries)
    chain.advance(entries)
    return chain


def earlier(month: datetime, months: int) -> datetime:
    """The first of an earlier month."""
    for _ in range(months):
        month = (month - timedelta(days=1)).replace(day=1)
    return month


def partition(now: datetime, months: int) -> str:
    first, after = earlier(now, months), earlier(now, months - 1)
    return (
        f"CREATE TABLE secret_access_logs_{first:%Y%m} PARTITION OF secret_access_logs "
        f"FOR VALUES FROM ('{first:%Y-%m-%d}') TO ('{after:%Y-%m-%d}')"
    )


async def judged(inside: Inside) -> Verdict:
    audit = inside.service.audit
    checkpoints = [line + b"\n" async for line in audit.checkpoints()]
    lines = [entry.line() + b"\n" async for some in audit.export() for entry in some]
    key = KeyFile.parse("\n".join(map(key_line, await audit.public_keys())))
    return verify(lines, checkpoints, key.signed)


async def seqs(dsn: str) -> list[int]:
    return [seq for (seq,) in await rows(dsn, "SELECT seq FROM secret_access_logs WHERE boot = 1 ORDER BY seq")]


async def test_i9_what_is_left_after_pruning_is_proven_and_more_cannot_be_taken_away(
    inside: Inside, database_url: str
) -> None:
    checkpointer = inside.parts.audit.checkpointer
    await old_records(inside, database_url)
    assert await checkpointer.make()
    pruned = 0
    while await checkpointer.prune(KEEP):
        pruned += 1
    assert pruned >= 2
    assert await seqs(database_url) in ([5, 7], [4, 5, 7])
    assert (await judged(inside)).intact
    await PostgresAuditSink(inside.database).make_room()
    await execute(database_url, "DELETE FROM secret_access_logs WHERE boot = 1 AND seq = 5")
    assert (await judged(inside)).problems[0].seq == 5


async def test_nothing_is_pruned_before_it_is_signed(inside: Inside, database_url: str) -> None:
    await old_records(inside, database_url)
    assert not await inside.parts.audit.checkpointer.prune(KEEP)
    assert len(await seqs(database_url)) == 7


async def test_nothing_is_pruned_before_every_stream_has_it(inside: Inside, database_url: str) -> None:
    checkpointer = inside.parts.audit.checkpointer
    chain = await old_records(inside, database_url)
    await checkpointer.make()
    await execute(database_url, f"INSERT INTO audit_streams (name) VALUES ('{RECORDS} to somewhere')")
    assert not await checkpointer.prune(KEEP)
    await execute(
        database_url,
        f"INSERT INTO audit_stream_cursors VALUES ('{RECORDS} to somewhere', '{chain.id.writer}', 1, 7)",
    )
    assert await checkpointer.prune(KEEP)


@pytest.mark.parametrize("days", [3650, 36500])
async def test_what_is_young_enough_stays(inside: Inside, database_url: str, days: int) -> None:
    checkpointer = inside.parts.audit.checkpointer
    await old_records(inside, database_url)
    await checkpointer.make()
    assert not await checkpointer.prune(timedelta(days=days))


async def test_late_records_of_a_pruned_time_still_find_room(inside: Inside, database_url: str) -> None:
    checkpointer = inside.parts.audit.checkpointer
    await old_records(inside, database_url)
    await checkpointer.make()
    while await checkpointer.prune(KEEP):
        pass
    late = Chain(ChainId(inside.parts.trail._writer_id, 2)).extend(
        [AuditRecord(timestamp=datetime(2020, 1, 1, tzinfo=UTC), user_id="u", operation="get", name="k", success=True)]
    )
    await PostgresAuditSink(inside.database).write_once(late)
    assert await fetch(database_url, "SELECT count(*) FROM secret_access_logs_past") == 1
