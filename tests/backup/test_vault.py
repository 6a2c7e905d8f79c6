"""What becomes of Key Vault when an installation goes back in time and the vault does not."""

from pathlib import Path

from holdfast.bootstrap.backup import restore_backup
from holdfast.cli.session import operator
from tests.support.node import Inside, opened, rows, settings_for
from tests.support.scripted_vault import ScriptedVault


async def drain(inside: Inside) -> None:
    """Replay what is open, as a node does in the background."""
    assert inside.parts.replica is not None
    async with inside.database.connection() as connection:
        await connection.execute("UPDATE secret_intents SET next_attempt_at = now()")
    await inside.parts.replica.replicator.drain()


async def restore(empty: str, folder: Path, file: Path) -> None:
    await restore_backup(settings_for(empty, folder), file, caller=operator())


def values(vault: ScriptedVault, name: str) -> list[str]:
    return [version.value for version in vault.model.history(name)]


async def test_i5_newer_versions_are_adopted_and_what_was_purged_does_not_come_back_by_itself(
    database_url: str, empty: str, tmp_path: Path, vault: ScriptedVault
) -> None:
    file = tmp_path / "all.backup"
    async with opened(database_url, tmp_path / "a", vault) as inside:
        service = inside.service
        for name in ("kept", "doomed", "half-way"):
            await service.set_secret(name, "1")
        async with vault.refusing():
            await service.set_secret("half-way", "2")
            await service.set_secret("newborn", "1")
        await rows(database_url, "UPDATE secret_intents SET attempts = 0")  # as if nobody had got to it yet
        await service.backups.make(file)
        await drain(inside)
        for name in ("kept", "half-way"):
            await service.set_secret(name, "3")
        for name in ("doomed", "newborn"):
            await service.delete_secret(name)
            await service.purge_secret(name)
        assert values(vault, "half-way") == ["1", "2", "3"]

    await restore(empty, tmp_path / "b", file)
    async with opened(empty, tmp_path / "b", vault) as inside:
        service = inside.service
        await drain(inside)
        await service.sync()
        await drain(inside)
        assert [(await service.get_secret(name)).value for name in ("kept", "half-way")] == ["3", "3"]
        assert values(vault, "half-way") == ["1", "2", "3"], "what was in effect already is not written again"
        assert {secret.name for secret in vault.model} == {"kept", "half-way"}
        report = await service.reconcile()
        assert [(each.name, each.kind) for each in report.parked] == [("newborn", "set")]
        assert "may have been purged after the backup" in str(report.parked[0].last_error)
        assert [(each.name, each.drift) for each in report.drifting] == [("doomed", "missing_in_vault")]
        await service.reconcile(retry=True)
        assert values(vault, "newborn") == ["1"], "a person has decided"


async def test_a_deletion_that_was_open_does_not_take_what_was_created_since(
    database_url: str, empty: str, tmp_path: Path, vault: ScriptedVault
) -> None:
    file = tmp_path / "all.backup"
    async with opened(database_url, tmp_path / "a", vault) as inside:
        service = inside.service
        for name in ("deleted", "purged", "untouched"):
            await service.set_secret(name, "old")
        async with vault.refusing():
            for name in ("deleted", "purged", "untouched"):
                await service.delete_secret(name)
            await service.purge_secret("purged")
        await service.backups.make(file)
        await drain(inside)
        await service.purge_secret("deleted")
        for name in ("deleted", "purged"):
            await service.set_secret(name, "new")
        await drain(inside)
        assert values(vault, "deleted") == values(vault, "purged") == ["new"]

    await restore(empty, tmp_path / "b", file)
    await rows(empty, "UPDATE secret_intents SET created_at = created_at - interval '2 seconds'")
    async with opened(empty, tmp_path / "b", vault) as inside:
        await drain(inside)
        parked = {str(each.name): each.last_error for each in (await inside.service.reconcile()).parked}
        assert set(parked) == {"deleted", "purged"}
        assert "created after the delete was accepted" in str(parked["deleted"])
    assert values(vault, "deleted") == values(vault, "purged") == ["new"]
