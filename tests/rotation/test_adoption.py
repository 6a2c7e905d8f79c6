"""Who still uses the credential before the current one: known from the audit trail, named wherever a person looks."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from holdfast.cli.installation import status_lines
from holdfast.domain.names import SecretName
from holdfast.domain.policy import AccessContext
from holdfast.stores.postgres.queries import load
from holdfast.stores.postgres.rotation import PostgresRotations
from tests.rotation.target import Target, TargetHandler
from tests.rotation.test_rotation import NAME, let_pass
from tests.support.node import Inside, opened, rows
from tests.support.postgres import execute
from tests.support.reference import ROOT

ONE, TWO = AccessContext(user_id="app-1"), AccessContext(user_id="app-2")
KNOWN = "SELECT user_id, version FROM secret_consumers ORDER BY user_id"


@pytest.fixture
async def inside(database_url: str, data_folder: Path) -> AsyncIterator[Inside]:
    async with opened(database_url, data_folder, cache_ttl=timedelta(seconds=1)) as node:
        await node.service.set_secret(NAME, "first")
        node.service.register_rotation_handler(NAME, TargetHandler(Target("first")))
        for each in (ONE, TWO):
            await node.service.grant_access(NAME, each.user_id, ["get"])
            await node.service.get_secret(NAME, context=each)
        yield node


async def test_health_names_laggards_until_they_have_the_current_version(inside: Inside, database_url: str) -> None:
    service = inside.service
    await service.rotate_secret(NAME)
    await service.get_secret(NAME, context=ONE)
    assert (await service.get_secret_health()).laggards == []  # their caches may still be right to give out the old one
    await let_pass(database_url)
    health = await service.get_secret_health()
    assert [(each.secret_name, each.user_id, each.version, each.current_version) for each in health.laggards] == [
        (NAME, "app-2", 1, 2)
    ]
    assert any("app-2 of db-password" in advice for advice in health.recommendations)
    assert [NAME, "app-2", "1", "2"] in [line.split()[:4] for line in status_lines(health, [])]
    await service.get_secret(NAME, context=TWO)
    assert (await service.get_secret_health()).laggards == []


async def test_i6_laggards_are_named_to_those_who_may_list_the_secret(inside: Inside, database_url: str) -> None:
    service = inside.service
    await service.grant_access("*", "operator-1", ["operate"])
    await service.rotate_secret(NAME)
    await let_pass(database_url)
    health = await service.get_secret_health(context=AccessContext(user_id="operator-1"))
    assert (health.late_consumers, health.laggards) == (2, [])
    assert not any(NAME in advice for advice in health.recommendations)


async def test_whoever_fetches_is_known_with_the_record_and_forgotten_with_the_secret(
    inside: Inside, database_url: str
) -> None:
    service = inside.service
    assert await rows(database_url, KNOWN) == [("app-1", 1), ("app-2", 1)]
    await service.set_secret(NAME, "second")
    await service.get_secret(NAME, context=TWO)
    await service.get_secret_version(NAME, 1, context=TWO)
    assert await rows(database_url, KNOWN) == [("app-1", 1), ("app-2", 2)]
    await service.delete_secret(NAME)
    await service.purge_secret(NAME)
    assert await rows(database_url, KNOWN) == []


async def test_a_reader_costs_a_row_once_a_minute_and_is_never_counted_too_early_as_gone(
    inside: Inside, database_url: str
) -> None:
    stamp = "SELECT xmin::text FROM secret_consumers WHERE user_id = 'app-1'"
    (before,) = await rows(database_url, stamp)
    await inside.service.get_secret(NAME, context=ONE)
    assert await rows(database_url, stamp) == [before]
    await execute(database_url, "UPDATE secret_consumers SET last_seen = now() - interval '59 seconds'")
    consumers = PostgresRotations(inside.database)
    assert len(await consumers.of(SecretName(NAME), timedelta(seconds=1))) == 2
    await execute(database_url, "UPDATE secret_consumers SET last_seen = now() - interval '62 seconds'")
    assert await consumers.of(SecretName(NAME), timedelta(seconds=1)) == []
    await inside.service.get_secret(NAME, context=ONE)
    assert [each.user_id for each in await consumers.of(SecretName(NAME), timedelta(seconds=1))] == ["app-1"]


async def test_what_older_nodes_recorded_counts_after_the_upgrade(inside: Inside, database_url: str) -> None:
    """The statement of the migration, over a trail that was written without the trigger."""
    sql = (ROOT / "src/holdfast/stores/postgres/sql/migrations/0015_consumers.sql").read_text()
    known = await rows(database_url, KNOWN)
    await execute(database_url, "DELETE FROM secret_consumers", sql[sql.index("INSERT INTO secret_consumers (") :])
    assert await rows(database_url, KNOWN) == known


async def test_adoption_is_read_from_an_index_however_long_the_trail_is(database_url: str) -> None:
    await execute(
        database_url,
        "INSERT INTO secret_consumers SELECT 's-' || n % 500, 'app-' || n, 1, now() FROM generate_series(1, 20000) n",
        "ANALYZE secret_consumers",
    )
    asked = load("rotation")["consumers"].replace("$1", "'s-1'").replace("$2", "'7 days'")
    plan = await rows(database_url, f"EXPLAIN {asked}")
    assert "secret_consumers_pkey" in str(plan)
    assert "Seq Scan" not in str(plan)
