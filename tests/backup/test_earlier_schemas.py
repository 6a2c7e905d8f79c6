"""Every schema there ever was, with an installation in it: brought up to this release, and restored into it.

The rows of an earlier time are those of today without what came later: tables and columns are taken as far as the
earlier schema has them.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from holdfast.bootstrap.backup import restore_backup
from holdfast.cli.session import operator
from holdfast.crypto.envelope import Envelope
from holdfast.crypto.keyring import KeyRing
from holdfast.domain.secret import RotationPolicy
from holdfast.errors import AccessDenied, SecretNotFound
from holdfast.service.backup.backups import header_of, unwatched, write_all
from holdfast.service.manager import SecretsService
from holdfast.stores.backupfile import SealedBackupFiles
from holdfast.stores.postgres.backup import PostgresSnapshots, shape_of
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.migrations import migrations
from tests.backup.test_vault import drain
from tests.integration.test_migrations import as_of
from tests.service.test_audit_proof import judged
from tests.support.catalog import schema_of
from tests.support.node import ALICE, opened, service_on, settings_for
from tests.support.postgres import execute
from tests.support.scripted_vault import ScriptedVault
from tests.support.world import KEY

CHAINED = 4
"""The step from which on the audit trail is made of chains; rules carry an attestation from the next one on."""

OLD_RECORD = (
    "INSERT INTO secret_access_logs (record_id, secret_name, user_id, operation, success, stale, timestamp) "
    "VALUES (gen_random_uuid(), 'payments', 'somebody', 'get', true, false, '2026-01-31T12:00:00Z')"
)


@pytest.fixture
async def today(database_url: str, tmp_path: Path, vault: ScriptedVault) -> str:
    """A database of this release with something of everything in it, and a change that waits for Key Vault."""
    async with service_on(database_url, tmp_path / "today", vault) as service:
        await _fill(service)
        async with vault.refusing():
            await service.set_secret("payments", "third")
    return database_url


async def _fill(service: SecretsService) -> None:
    policy = RotationPolicy(interval_days=90, notify_days_before=14, auto_rotate=False)
    await service.set_secret("payments", "first", tags={"team": "a"}, expires_at=None)
    await service.set_secret("payments", "second", tags={"team": "b"}, rotation_policy=policy)
    await service.set_secret("old", "deleted")
    await service.delete_secret("old")
    await service.grant_access("payments", "alice", ["get"])
    await service.add_client("batch")
    await service.get_secret("payments", context=ALICE)


async def _made_as_of(dsn: str, steps: int, source: str) -> None:
    """Build the schema of the first steps, and take over the rows of today as far as it has a place for them."""
    await execute(dsn, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    await as_of(dsn, steps)
    new, old = await asyncpg.connect(source), await asyncpg.connect(dsn)
    try:
        known = {table.name: table.columns for table in (await shape_of(new)).tables}
        for table in (await shape_of(old)).tables:
            columns = [name for name in table.columns if name in known.get(table.name, ())]
            if table.name == "secret_access_logs" and steps < CHAINED:
                await old.execute(OLD_RECORD)
            elif columns:
                await _copy(new, old, table.name, columns)
    finally:
        await old.close()
        await new.close()


async def _copy(new: Any, old: Any, table: str, columns: list[str]) -> None:
    parts: list[bytes] = []

    async def take(data: bytes) -> None:
        parts.append(data)

    async def give() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    await new.copy_from_query(f"SELECT {', '.join(columns)} FROM {table}", output=take)
    await old.execute(f"DELETE FROM {table}")
    await old.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    await old.copy_to_table(table, source=give(), columns=columns)
    await old.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


async def _check(service: SecretsService, steps: int) -> None:
    """All of it is there and works."""
    assert (await service.get_secret("payments")).value == "third", steps
    assert (await service.get_secret_version("payments", 1)).value == "first"
    found = await service.get_secret_version("payments", 2)
    assert (found.value, dict(found.tags)) == ("second", {"team": "b"})
    with pytest.raises(SecretNotFound):
        await service.get_secret("old")
    assert [client.client_id for client in await service.list_clients()] == ["batch"]
    assert (await service.get_secret_health()).without_rotation_policy == 0
    if steps > CHAINED:
        assert (await service.get_secret("payments", context=ALICE)).value == "third"
    else:
        with pytest.raises(AccessDenied):  # rules from before they were attested are not taken over: ADR 9
            await service.get_secret("payments", context=ALICE)
    who = "alice" if steps >= CHAINED else "somebody"
    assert [record.user_id for record in await service.get_access_history("payments", 100)].count(who) >= 1
    assert (await judged(service)).intact
    assert (await service.reconcile()).open == 1


async def test_every_earlier_schema_comes_up_to_date_with_what_is_in_it(
    today: str, empty: str, tmp_path: Path, vault: ScriptedVault
) -> None:
    for steps in range(1, len(migrations()) + 1):
        await _made_as_of(empty, steps, today)
        async with service_on(empty, tmp_path / str(steps), vault) as service:
            await _check(service, steps)


async def test_a_backup_of_an_earlier_schema_is_restored_and_brought_up_to_date(
    today: str, empty: str, tmp_path: Path, vault: ScriptedVault, other_empty: str
) -> None:
    """Backups exist since schema 16; earlier ones stand for those from which a later release will start."""
    for steps in (CHAINED + 1, len(migrations()) - 1):
        file = tmp_path / f"{steps}.backup"
        await _made_as_of(empty, steps, today)
        await _back_up(empty, file)
        await execute(other_empty, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
        settings = settings_for(other_empty, tmp_path / f"into-{steps}", vault)
        summary = await restore_backup(settings, file, caller=operator())
        assert summary.header.schema == migrations()[steps - 1].version
        assert await schema_of(other_empty) == await schema_of(today)
        async with opened(other_empty, tmp_path / f"into-{steps}", vault) as inside:
            await _check(inside.service, steps)
            await drain(inside)
            assert (await inside.service.reconcile()).open == 0


async def _back_up(dsn: str, file: Path) -> None:
    ring = KeyRing.from_settings(KEY)
    database = Database(dsn)
    await database.open()
    try:
        async with PostgresSnapshots(database).snapshot() as snapshot:
            header = header_of(snapshot, datetime.now(UTC), "0.0.9")
            with SealedBackupFiles(Envelope(ring), ring.ids).writing(file, header) as writer:
                await write_all(snapshot, writer)
                writer.finish(unwatched)
    finally:
        await database.close()
