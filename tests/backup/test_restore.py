"""A restored installation goes on: its trail is whole, half-done work is finished, nobody of the old life decides."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from holdfast.bootstrap.backup import RESTORE, restore_backup
from holdfast.cli.session import operator
from holdfast.domain.names import SecretName
from holdfast.domain.rotation import Phase
from holdfast.ports import NodeRecord
from holdfast.service.manager import SecretsService
from holdfast.stores.postgres.nodes import PostgresNodes
from holdfast.stores.postgres.restoring import LEAP
from tests.rotation.target import Target
from tests.rotation.test_crashes import known, node
from tests.rotation.test_rotation import NAME, let_pass
from tests.service.test_audit_proof import judged, taken
from tests.service.test_audit_retention import KEEP, old_records
from tests.support.node import ALICE, opened, rows, service_on, settings_for
from tests.support.world import Crash, CrashOnce

STATE = """
    SELECT a.epoch, i.epoch, n.cache_namespace, n.id, n.tenant, s.fence, s.leader, nextval('rotation_fences'),
        nextval('secret_revisions')
    FROM access_epoch a, identity_epoch i, installation n, sync_state s
"""


async def restore(empty: str, folder: Path, file: Path) -> None:
    await restore_backup(settings_for(empty, folder), file, caller=operator())


async def test_i9_the_trail_is_proven_over_the_old_life_and_the_new(
    database_url: str, empty: str, tmp_path: Path
) -> None:
    file = tmp_path / "all.backup"
    async with service_on(database_url, tmp_path / "a") as service:
        await service.set_secret("k", "1")
        await service.grant_access("k", "alice", ["get"])
        await service.get_secret("k", context=ALICE)
        old_lines, old_checkpoints, _ = await taken(service)
        public = await service.audit.public_keys()
        await service.backups.make(file)
    await restore(empty, tmp_path / "b", file)
    async with service_on(empty, tmp_path / "b") as service:
        await service.get_secret("k", context=ALICE)
        verdict = await judged(service)
        assert verdict.intact, verdict.problems
        assert verdict.chains == 2
        lines, checkpoints, _ = await taken(service)
        assert set(old_lines) <= set(lines)
        assert checkpoints[: len(old_checkpoints)] == old_checkpoints, "the new life signs on behind the old one"
        assert await service.audit.public_keys() == public
        (made,) = (await service.audit.search(operation=RESTORE)).records
        assert made.success
        assert made.user_id == operator().id
        assert (await service.audit.search(operation="backup.begin")).records
    assert any(b'"operation":"audit.open"' in line for line in set(lines) - set(old_lines)), "a chain of its own"


async def test_partitions_are_as_they_were_and_retention_goes_on(database_url: str, empty: str, tmp_path: Path) -> None:
    file = tmp_path / "all.backup"
    async with opened(database_url, tmp_path / "a") as inside:
        await old_records(inside, database_url)
        assert (await judged(inside.service)).intact
        await inside.service.backups.make(file)
    parts = "SELECT relname, pg_get_expr(relpartbound, oid) FROM pg_class WHERE relispartition ORDER BY relname"
    await restore(empty, tmp_path / "b", file)
    assert await rows(empty, parts) == await rows(database_url, parts)
    async with opened(empty, tmp_path / "b") as inside:
        assert (await judged(inside.service)).intact
        pruned = 0
        while await inside.parts.audit.checkpointer.prune(KEEP):
            pruned += 1
        assert pruned >= 2
        assert (await judged(inside.service)).intact


async def test_i10_a_rotation_half_done_goes_on_with_the_same_candidate(
    database_url: str, empty: str, data_folder: Path, tmp_path: Path
) -> None:
    file, target, crash = tmp_path / "all.backup", Target("first"), CrashOnce()
    async with node(database_url, data_folder, target, crash, single=False) as inside:
        await inside.service.set_secret(NAME, "first")
        crash.point = "applied"
        with pytest.raises(Crash):
            await inside.service.rotate_secret(NAME)
        await inside.service.backups.make(file)
        (fence,) = (row[0] for row in await rows(database_url, "SELECT fence FROM rotation_runs"))
    await restore(empty, tmp_path / "b", file)
    async with node(empty, tmp_path / "b", target, crash, single=False) as inside:
        assert set(target.accepted) <= await known(inside, empty)
        await inside.service.execute_scheduled_rotations()  # no lease of the dead is waited for
        run = await inside.parts.rotation.store.find(SecretName(NAME))
        assert run is not None
        assert run.fence > fence + LEAP // 2, "whoever draws fences in the lost life comes late"
        await let_pass(empty)
        await inside.service.execute_scheduled_rotations()
        done = (await inside.service.rotations.status(NAME)).run
        assert done is None or done.phase is Phase.RETIRED
        assert target.accepted == [(await inside.service.get_secret(NAME)).value]
        assert target.accepted[0].startswith("candidate-")


async def test_nothing_of_the_old_life_decides_in_the_new_one(database_url: str, empty: str, tmp_path: Path) -> None:
    file = tmp_path / "all.backup"
    async with opened(database_url, tmp_path / "a") as inside:
        now = datetime.now(UTC)
        await inside.service.set_secret("k", "1")
        await PostgresNodes(inside.database).beat(
            NodeRecord(id=uuid4(), name="n", release="1", schema_version=1, started_at=now, seen_at=now, backends=())
        )
        await inside.parts.sync_state.lead(uuid4(), timedelta(hours=1))
        await rows(
            database_url,
            "INSERT INTO audit_streams (name, holder, lease_until) VALUES ('s', gen_random_uuid(), now() + '1 h')",
        )
        await inside.service.backups.make(file)
        before = (await rows(database_url, STATE))[0]
    await restore(empty, tmp_path / "b", file)
    after = (await rows(empty, STATE))[0]
    assert after[3:5] == before[3:5], "the installation and its tenant are the same"
    assert after[2] != before[2], "and what the old one left in Redis is nobody's"
    moved = [after[place] - before[place] for place in (0, 1, 5, 7, 8)]
    assert min(moved) >= LEAP
    assert after[6] is None
    assert await rows(empty, "SELECT count(*) FROM nodes") == [(0,)]
    assert await _leases(empty) == 0
    assert await _leases(database_url) == 2


async def _leases(dsn: str) -> int:
    columns = await rows(
        dsn,
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' "
        "AND column_name ~ '^lease'",
    )
    counted = [await rows(dsn, f"SELECT count({column}) FROM {table}") for table, column in columns]
    assert len(columns) >= 5
    return sum(count for ((count,),) in counted)


async def test_i3_what_a_surviving_redis_holds_of_the_lost_life_is_not_served(
    database_url: str, empty: str, tmp_path: Path, redis_url: str
) -> None:
    file = tmp_path / "all.backup"
    async with service_on(database_url, tmp_path / "a", redis_url=redis_url) as service:
        await service.set_secret("k", "1")
        await service.backups.make(file)
        await service.set_secret("k", "lost")
        assert (await service.get_secret("k")).value == "lost"
    await restore(empty, tmp_path / "b", file)
    async with service_on(empty, tmp_path / "b", redis_url=redis_url) as service:
        assert (await service.get_secret("k")).value == "1"


async def test_a_backup_has_everything_as_of_one_moment(database_url: str, empty: str, tmp_path: Path) -> None:
    """While others write, no version is in it without its record, nor the other way round."""
    async with service_on(database_url, tmp_path / "a") as service:
        writing = asyncio.create_task(_write_on(service))
        await asyncio.sleep(0.2)
        await service.backups.make(tmp_path / "all.backup")
        writing.cancel()
        await asyncio.wait({writing})
    await restore(empty, tmp_path / "b", tmp_path / "all.backup")
    ((versions, records),) = await rows(
        empty,
        "SELECT (SELECT sum(version) FROM secrets_vault), (SELECT count(*) FROM secret_access_logs "
        "WHERE operation = 'set') + (SELECT count(*) FROM audit_outbox WHERE record ->> 'operation' = 'set')",
    )
    assert versions == records
    assert versions > 0


async def _write_on(service: SecretsService) -> None:
    number = 0
    while True:
        number += 1
        await service.set_secret(f"k-{number % 3}", str(number))
