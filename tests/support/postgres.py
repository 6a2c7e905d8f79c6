"""Fresh PostgreSQL databases: the schema is migrated once into a template, and each test gets a copy."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.migrations import migrate

TEMPLATE = "holdfast_template"

_numbers = itertools.count(1)


def for_database(dsn: str, database: str) -> str:
    """The DSN of another database on the same server."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))


async def execute(dsn: str, *statements: str) -> None:
    """Run statements one by one, each in its own transaction."""
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def make_template(dsn: str) -> None:
    """Make the template database and migrate it."""
    await execute(dsn, f"CREATE DATABASE {TEMPLATE}")
    database = Database(for_database(dsn, TEMPLATE))
    await database.open()
    try:
        await migrate(database)
    finally:
        await database.close()


@asynccontextmanager
async def fresh_database(dsn: str) -> AsyncIterator[str]:
    """The DSN of a new database with the current schema; dropped afterwards, whoever is still connected."""
    name = f"test_{next(_numbers)}"
    # Copying files is faster than logging every page, and a test database need not survive a crash.
    await execute(dsn, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
    try:
        yield for_database(dsn, name)
    finally:
        await execute(dsn, f"DROP DATABASE {name} WITH (FORCE)")


@asynccontextmanager
async def empty_database(dsn: str) -> AsyncIterator[str]:
    """The DSN of a new database with nothing in it; dropped afterwards."""
    name = f"empty_{next(_numbers)}"
    await execute(dsn, f"CREATE DATABASE {name}")
    try:
        yield for_database(dsn, name)
    finally:
        await execute(dsn, f"DROP DATABASE {name} WITH (FORCE)")


async def fetch(dsn: str, query: str) -> object:
    """The first value of the query's answer."""
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()
