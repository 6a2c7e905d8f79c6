"""A schema upgrade beside nodes of the release before: either safe, or refused by name with nothing written."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from holdfast.errors import StartupError
from holdfast.ports import NodeRecord, Presences
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.migrations import KEEPS_OLDER_NODES, Migration, migrate, migrations, schema_version
from holdfast.stores.postgres.nodes import PostgresNodes
from tests.support.node import rows

NEXT = schema_version() + 1
SAFE = Migration(NEXT, "wider", f"{KEEPS_OLDER_NODES}\nCREATE TABLE wider (id INTEGER)")
UNSAFE = Migration(NEXT, "narrower", "CREATE TABLE wider (id INTEGER)")
OLDER = NodeRecord(
    id=uuid4(),
    name="db-1:4711",
    release="0.0.9",
    schema_version=schema_version(),
    started_at=datetime.now(UTC),
    seen_at=datetime.now(UTC),
    backends=(),
)


async def upgrade(dsn: str, step: Migration, *nodes: NodeRecord) -> None:
    database = Database(dsn)
    await database.open()
    try:
        for node in nodes:
            await PostgresNodes(database).beat(node)
        await migrate(database, [*migrations(), step])
    finally:
        await database.close()


async def upgraded(dsn: str) -> bool:
    return await rows(dsn, "SELECT to_regclass('wider') IS NOT NULL") == [(True,)]


async def test_what_older_nodes_can_work_with_goes_on_beside_them(database_url: str) -> None:
    await upgrade(database_url, SAFE, OLDER)
    assert await upgraded(database_url)


async def test_what_they_cannot_work_with_is_refused_by_their_names(database_url: str) -> None:
    with pytest.raises(StartupError, match=r"narrower.*db-1:4711 \(release 0\.0\.9\).*Stop them first"):
        await upgrade(database_url, UNSAFE, OLDER)
    assert not await upgraded(database_url)


async def test_once_they_are_gone_it_goes_through(database_url: str) -> None:
    await upgrade(database_url, UNSAFE)
    assert await upgraded(database_url)


async def test_nodes_of_the_new_release_are_no_hindrance(database_url: str) -> None:
    await upgrade(database_url, UNSAFE, replace(OLDER, schema_version=NEXT))
    assert await upgraded(database_url)


async def test_a_node_is_told_when_the_schema_has_moved_on(database_url: str) -> None:
    await upgrade(database_url, SAFE)
    database = Database(database_url)
    await database.open()
    try:
        assert await PostgresNodes(database).beat(OLDER) == Presences(NEXT, 1)
    finally:
        await database.close()


def test_every_migration_says_whether_older_nodes_may_go_on() -> None:
    first, *later = migrations()
    words = ("-- older nodes: go on\n", "-- older nodes: stop first\n")
    assert first.version == 1
    assert [step.name for step in later if not step.sql.startswith(words)] == []
