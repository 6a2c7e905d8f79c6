"""The whole installation in one file, and back."""

from pathlib import Path

from holdfast.bootstrap.backup import restore_backup, verify_backup
from holdfast.cli.session import operator
from holdfast.stores.postgres.backup import LEFT_OUT, saved_names
from tests.support.catalog import contents_of, schema_of
from tests.support.node import rows, service_on, settings_for


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
    assert restored == made
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
