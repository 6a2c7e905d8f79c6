"""The ledger on a real PostgreSQL: what a reader sees while others write."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from holdfast.domain.names import SecretName, new_version_id
from holdfast.domain.secret import Attributes, SecretSettings, SecretVersion, State
from holdfast.ports import Head, StoredVersion
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.ledger import PostgresLedger
from holdfast.stores.postgres.pools import Connection

NAME = SecretName("api-key")
NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Interrupted:
    """A database on which ``meanwhile`` happens right after the first row that a reader fetches."""

    def __init__(self, database: Database, meanwhile: Callable[[], Awaitable[object]]) -> None:
        self._database, self._meanwhile = database, meanwhile

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        async with self._database.connection() as connection:
            yield _Interrupted(connection, self._meanwhile)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        async with self._database.snapshot() as connection:
            yield _Interrupted(connection, self._meanwhile)


class _Interrupted:
    def __init__(self, connection: Connection, meanwhile: Callable[[], Awaitable[object]]) -> None:
        self._connection, self._meanwhile = connection, meanwhile
        self._first = True

    async def fetchrow(self, *arguments: object) -> Any:
        row = await self._connection.fetchrow(*arguments)
        if self._first:
            self._first = False
            await self._meanwhile()
        return row

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class Written:
    """A ledger with one secret, of which ``append`` makes a further version."""

    def __init__(self, database: Database, head: Head) -> None:
        self.database, self.head = database, head
        self.ledger = PostgresLedger(database)

    async def append(self) -> None:
        version = _version(self.head.version + 1)
        head = replace(self.head, version=version.version, version_id=version.version_id)
        async with self.ledger.transaction() as tx:
            self.head = await tx.append(head, StoredVersion(version=version, sealed=None))

    def read_while_writing(self) -> PostgresLedger:
        """A ledger whose readers are overtaken by a further version."""
        return PostgresLedger(Interrupted(self.database, self.append))  # type: ignore[arg-type]  # all that it needs


@pytest.fixture
async def written(database_url: str) -> AsyncIterator[Written]:
    database = Database(database_url, max_connections=4)
    await database.open()
    version = _version(1)
    head = Head(
        incarnation=uuid4(),
        name=NAME,
        display_name=NAME,
        state=State.ACTIVE,
        revision=0,
        version=1,
        version_id=version.version_id,
        settings=SecretSettings(),
        attestation="",
        verified_at=NOW,
    )
    async with PostgresLedger(database).transaction() as tx:
        head = await tx.create(head, StoredVersion(version=version, sealed=None))
    yield Written(database, head)
    await database.close()


def _version(number: int) -> SecretVersion:
    return SecretVersion(
        name=NAME,
        version=number,
        version_id=new_version_id(),
        attributes=Attributes(),
        created_at=NOW,
        updated_at=NOW,
    )


@pytest.mark.parametrize("by_number", [True, False])
async def test_i2_a_version_is_found_though_another_becomes_current_meanwhile(
    written: Written, by_number: bool
) -> None:
    wanted = 1 if by_number else written.head.version_id
    found = await written.read_while_writing().version(NAME, wanted)
    assert found is not None
    head, stored = found
    assert head.version == 1
    assert stored is not None
    assert stored.version.version == 1


async def test_all_versions_are_of_one_moment(written: Written) -> None:
    versions = await written.read_while_writing().versions(NAME)
    assert [(version.version, version.current) for version in versions] == [(1, True)]
