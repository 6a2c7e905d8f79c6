"""The schema: migrations and ``schema.sql`` make the same one, nodes that start together make it once."""

import asyncio
from importlib import resources

import pytest

from holdfast.errors import StartupError
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.migrations import Migration, migrate, migrations
from tests.support.catalog import contents_of, schema_of
from tests.support.node import rows
from tests.support.postgres import execute

SETTLED = "SET search_path TO public"
"""As the sessions of Holdfast have it, which a function with ``SET search_path FROM CURRENT`` keeps."""


async def migrated(dsn: str, *further: Migration) -> None:
    database = Database(dsn, max_connections=1)
    await database.open()
    try:
        await migrate(database, [*migrations(), *further])
    finally:
        await database.close()


async def test_a_database_built_by_migrations_equals_one_built_from_the_schema(empty: str, other_empty: str) -> None:
    schema = resources.files("holdfast.stores.postgres").joinpath("sql", "schema.sql").read_text()
    await execute(other_empty, SETTLED, schema)
    await migrated(empty)
    built, drawn = await schema_of(empty), await schema_of(other_empty)
    assert len(built["columns"]) > 100
    for kind, found in built.items():
        assert found == drawn[kind], kind
    seeds = [{table: len(rows) for table, rows in (await contents_of(dsn)).items()} for dsn in (empty, other_empty)]
    del seeds[0]["holdfast_migrations"]
    assert seeds[0] == seeds[1]


async def test_the_comparison_sees_every_kind_of_difference(empty: str, other_empty: str) -> None:
    for dsn in (empty, other_empty):
        await execute(dsn, "CREATE TABLE t (a BIGINT GENERATED ALWAYS AS IDENTITY, b TEXT NOT NULL, c INT)")
    before = await schema_of(empty)
    assert before == await schema_of(other_empty)
    for change in (
        "ALTER TABLE t ALTER b DROP NOT NULL",
        "ALTER TABLE t ALTER c SET DEFAULT 1",
        "ALTER TABLE t ALTER c TYPE BIGINT",
        "ALTER TABLE t ADD CHECK (c > 0)",
        "ALTER TABLE t SET (fillfactor = 50)",
        "CREATE INDEX ON t (c) WHERE c > 1",
        "CREATE SEQUENCE s CACHE 2",
        "ALTER SEQUENCE s CACHE 3",
        "CREATE FUNCTION f() RETURNS TRIGGER LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER g BEFORE DELETE ON t EXECUTE FUNCTION f()",
        "CREATE TYPE mood AS ENUM ('sad')",
        "REVOKE ALL ON t FROM CURRENT_USER",
    ):
        await execute(empty, change)
        after = await schema_of(empty)
        assert after != before, change
        before = after


async def test_no_two_migrations_have_the_same_number() -> None:
    numbers = [migration.version for migration in migrations()]
    assert numbers == sorted(set(numbers))


async def test_nodes_that_start_together_migrate_once(empty: str) -> None:
    await asyncio.gather(*(migrated(empty) for _ in range(8)))
    applied = await rows(empty, "SELECT version FROM holdfast_migrations ORDER BY version")
    assert applied == [(migration.version,) for migration in migrations()]
    assert await rows(empty, "SELECT count(*) FROM installation") == [(1,)]


async def test_every_earlier_schema_is_brought_up_to_date(empty: str, other_empty: str) -> None:
    """From each release to this one, with the rows that were there."""
    await migrated(other_empty)
    whole = await schema_of(other_empty)
    for upto in range(1, len(migrations())):
        await execute(empty, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
        await as_of(empty, upto)
        before = await rows(empty, "SELECT id FROM installation")
        await migrated(empty)
        assert await schema_of(empty) == whole, upto
        assert await rows(empty, "SELECT id FROM installation") == before


async def test_a_migration_that_fails_leaves_nothing_behind(empty: str) -> None:
    await execute(empty, "CREATE TABLE clients (id int)")  # in the way of the first migration
    before = await schema_of(empty), await contents_of(empty)
    with pytest.raises(StartupError, match=r'Migration 1.*"clients" already exists'):
        await migrated(empty)
    assert (await schema_of(empty), await contents_of(empty)) == before


async def as_of(dsn: str, version: int) -> None:
    """Make the schema as the release of a migration left it."""
    await execute(
        dsn,
        "CREATE TABLE holdfast_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, "
        "applied_at TIMESTAMPTZ NOT NULL DEFAULT now())",
    )
    for migration in migrations()[:version]:
        await execute(dsn, SETTLED, migration.sql)
        await execute(
            dsn,
            f"INSERT INTO holdfast_migrations VALUES ({migration.version}, '{migration.name}', '{migration.checksum}')",
        )


async def test_a_step_that_takes_long_is_finished_and_waited_for(database_url: str) -> None:
    slow = Migration(9999, "slow", "SELECT pg_sleep(5.5)")
    await asyncio.gather(migrated(database_url, slow), migrated(database_url, slow))
    assert await rows(database_url, "SELECT max(version) FROM holdfast_migrations") == [(slow.version,)]


async def test_two_steps_of_one_number_are_refused_with_nothing_written(empty: str) -> None:
    last = migrations()[-1]
    twin = Migration(last.version, "twin", "CREATE TABLE twin (id INTEGER)")
    with pytest.raises(StartupError, match=rf"number {last.version} \({last.name}, twin\)"):
        await migrated(empty, twin)
    assert await rows(empty, "SELECT to_regclass('holdfast_migrations'), to_regclass('twin')") == [(None, None)]
