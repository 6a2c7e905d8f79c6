"""I5: what was purged leaves the disk too, and getting it off holds nobody up."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from holdfast.errors import BackendUnavailable
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.scrubbing import PostgresScrubber
from tests.support.database_files import table_files
from tests.support.node import Inside, opened, rows
from tests.support.postgres import execute

NOW = timedelta()


@pytest.fixture
async def node(database_url: str, tmp_path: Path) -> AsyncIterator[Inside]:
    async with opened(database_url, tmp_path) as node:
        yield node


async def sealed(dsn: str, name: str) -> list[bytes]:
    """Parts of what is stored of a secret: values and wrapped keys, of all versions."""
    found = await rows(
        dsn,
        "SELECT encrypted_value, wrapped_key FROM secrets_vault WHERE secret_name = $1 UNION ALL "
        "SELECT h.encrypted_value, h.wrapped_key FROM secret_versions h JOIN secrets_vault v USING (incarnation) "
        "WHERE v.secret_name = $1",
        name,
    )
    return [part.encode() for row in found for text in row for part in (text[:40], text[-40:])]


async def on_disk(dsn: str, parts: list[bytes]) -> int:
    """How many of the parts are in the files of the tables."""
    await execute(dsn, "CHECKPOINT")
    content = b"".join((await table_files(dsn)).values())
    return sum(part in content for part in parts)


async def purged(node: Inside, dsn: str, name: str = "gone") -> list[bytes]:
    """Make a secret with two versions among others and purge it; returns parts of what was stored."""
    for other in range(5):
        await node.service.set_secret(f"other-{other}", "v" * 100)
    await node.service.set_secret(name, "short")
    await node.service.set_secret(name, "long " * 2000)
    parts = await sealed(dsn, name)
    assert len(parts) == 8
    assert await on_disk(dsn, parts) >= 6  # a long value is stored in pieces, and its ends may be cut
    await node.service.delete_secret(name)
    await node.service.purge_secret(name)
    return parts


async def test_i5_what_was_purged_leaves_the_disk_and_nothing_else(node: Inside, database_url: str) -> None:
    parts = await purged(node, database_url)
    await execute(database_url, "VACUUM secrets_vault", "VACUUM secret_versions")
    assert await on_disk(database_url, parts) > 0, "a plain VACUUM is enough here, and this module needless"
    assert await PostgresScrubber(node.database, interval=NOW).scrub()
    assert await on_disk(database_url, parts) == 0
    for other in range(5):
        await node.service.invalidate_cache()
        assert (await node.service.get_secret(f"other-{other}")).value == "v" * 100
    assert await on_disk(database_url, await sealed(database_url, "other-1")) == 4


async def test_it_is_done_once_after_purges_and_not_more_often_than_that(node: Inside, database_url: str) -> None:
    scrubber, patient = PostgresScrubber(node.database, interval=NOW), PostgresScrubber(node.database)
    assert not await scrubber.scrub()
    await purged(node, database_url)
    other_node = PostgresScrubber(node.database)
    assert sorted(await asyncio.gather(patient.scrub(), other_node.scrub())) == [False, True]
    assert not await scrubber.scrub()
    await purged(node, database_url, "gone-2")
    assert not await patient.scrub()  # ten minutes have not passed
    assert await scrubber.scrub()


async def test_a_row_that_an_older_transaction_sees_is_removed_when_that_has_ended(
    node: Inside, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.stores.postgres.scrubbing._SNAPSHOT_PATIENCE_S", 0.1)
    scrubber = PostgresScrubber(node.database, interval=NOW)
    dump = await asyncpg.connect(database_url)
    try:
        transaction = dump.transaction(isolation="repeatable_read")
        await transaction.start()
        await dump.fetch("SELECT 1 FROM clients")
        parts = await purged(node, database_url)
        assert not await scrubber.scrub()
        assert await on_disk(database_url, parts) > 0
        await transaction.rollback()
    finally:
        await dump.close()
    assert await scrubber.scrub()
    assert await on_disk(database_url, parts) == 0


async def test_it_waits_for_nobody_for_long(node: Inside, database_url: str) -> None:
    """A reader that holds the table keeps the scrubber off, and the scrubber keeps no other reader waiting."""
    parts = await purged(node, database_url)
    scrubber = PostgresScrubber(node.database, interval=NOW)
    holder = await asyncpg.connect(database_url)
    try:
        transaction = holder.transaction()
        await transaction.start()
        await holder.execute("LOCK TABLE secrets_vault IN ACCESS SHARE MODE")
        with pytest.raises(BackendUnavailable):
            await scrubber.scrub()
        await node.service.invalidate_cache()
        assert (await node.service.get_secret("other-1")).value == "v" * 100
        await transaction.rollback()
    finally:
        await holder.close()
    assert await scrubber.scrub()
    assert await on_disk(database_url, parts) == 0
    async with node.database.connection() as connection:
        assert await connection.fetchval("SHOW lock_timeout") == "4s"


async def test_reads_and_writes_go_on_meanwhile(node: Inside, database_url: str) -> None:
    await purged(node, database_url)
    scrubber = PostgresScrubber(node.database, interval=NOW)

    async def use(number: int) -> None:
        for turn in range(10):
            await node.service.set_secret(f"other-{number}", f"{turn}")
            await node.service.invalidate_cache()
            assert (await node.service.get_secret(f"other-{number}")).value == f"{turn}"

    async def keep_scrubbing() -> int:
        done = 0
        for turn in range(5):
            await node.service.set_secret(f"waste-{turn}", "v")
            await node.service.delete_secret(f"waste-{turn}")
            await node.service.purge_secret(f"waste-{turn}")
            try:
                done += await scrubber.scrub()
            except BackendUnavailable:
                continue
        return done

    done = asyncio.create_task(keep_scrubbing())
    await asyncio.gather(*(use(number) for number in range(4)))
    assert await done + await scrubber.scrub() >= 1


@pytest.mark.parametrize("why", ["too large", "does not own"])
async def test_what_it_cannot_do_it_asks_a_person_for_once(
    node: Inside, database_url: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    await purged(node, database_url)
    dsn, limit = database_url, 1
    if why == "does not own":
        await execute(database_url, "CREATE ROLE guest2 LOGIN PASSWORD 'p'")
        await execute(database_url, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guest2")
        await execute(database_url, "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO guest2")
        dsn, limit = database_url.replace(database_url.partition("//")[2].partition("@")[0], "guest2:p"), 2**40
    database = Database(dsn)
    await database.open()
    try:
        scrubber = PostgresScrubber(database, interval=NOW, max_bytes=limit)
        for _ in range(2):
            assert not await scrubber.scrub()
    finally:
        await database.close()
        if why == "does not own":
            await execute(database_url, "DROP OWNED BY guest2", "DROP ROLE guest2")
    said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(said) == 1
    assert why in said[0]
    assert "VACUUM (FULL)" in said[0]
