"""The whole installation in one file, and back."""

from pathlib import Path

import asyncpg
import pytest

from holdfast.bootstrap.backup import restore_backup, verify_backup
from holdfast.cli.session import operator
from holdfast.stores.postgres.backup import LEFT_OUT, PostgresSnapshots, saved_names, shape_of
from tests.support.catalog import contents_of, schema_of
from tests.support.node import opened, rows, service_on, settings_for
from tests.support.postgres import execute


async def test_every_table_is_in_a_backup_or_left_out_with_a_reason(database_url: str) -> None:
    found = await rows(
        database_url,
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition "
        "AND relnamespace = 'public'::regnamespace",
    )
    assert {name for (name,) in found} == {*saved_names(), *LEFT_OUT}


async def test_a_restored_installation_is_the_one_that_was_backed_up(
    database_url: str, empty: str, tmp_path: Path
) -> None:
    file = tmp_path / "all.backup"
    async with service_on(database_url, tmp_path / "a") as service:
        await service.set_secret("stripe-api-key", "first")
        await service.set_secret("stripe-api-key", "second", tags={"team": "päyments\t\\N"})
        await service.set_secret("gone", "x")
        await service.delete_secret("gone")
        await service.grant_access("stripe-*", "alice", ["get"])
        made = await service.backups.make(file)
        before = await contents_of(database_url)
    assert verify_backup(settings_for(empty, tmp_path / "b"), file) == made
    restored = await restore_backup(settings_for(empty, tmp_path / "b"), file, caller=operator())
    assert (restored.header, restored.rows, restored.size) == (made.header, made.rows, made.size)
    assert await schema_of(empty) == await schema_of(database_url)
    after = await contents_of(empty)
    for table in ("secrets_vault", "secret_versions", "secret_access_control", "secret_access_logs", "audit_chains"):
        assert set(before[table]) >= set(after[table]), table
        assert after[table]
    async with service_on(empty, tmp_path / "b") as service:
        assert (await service.get_secret("stripe-api-key")).value == "second"
        assert (await service.get_secret_version("stripe-api-key", 1)).value == "first"
        await service.recover_secret("gone")
        assert (await service.get_secret("gone")).value == "x"
        await service.set_secret("stripe-api-key", "third")


async def test_no_partition_goes_while_a_backup_is_made_and_nothing_that_comes_later_is_in_it(
    database_url: str, tmp_path: Path
) -> None:
    async with opened(database_url, tmp_path) as inside:
        await inside.service.set_secret("before", "1")
        async with PostgresSnapshots(inside.database).snapshot() as snapshot:
            await inside.service.set_secret("later", "1")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await execute(database_url, "SET lock_timeout = '100ms'", "DROP TABLE secret_access_logs_past")
            (table,) = (each for each in snapshot.shape.tables if each.name == "secrets_vault")
            rows_: list[bytes] = []
            assert await snapshot.rows(table, rows_.append) == 1
            counters = {each.name: each.last for each in (await snapshot.counters()).counters}
        assert b"later" not in b"".join(rows_)
        assert counters["secret_revisions"] >= 1
        with pytest.raises(asyncpg.UndefinedTableError):
            await execute(database_url, "DROP TABLE secret_access_logs_past", "TABLE secret_access_logs_past")


async def test_tables_come_after_those_that_they_refer_to(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        names = [table.name for table in (await shape_of(connection)).tables]
    finally:
        await connection.close()
    for name, refers_to in (("secret_versions", "secrets_vault"), ("api_tokens", "identities")):
        assert names.index(refers_to) < names.index(name)
