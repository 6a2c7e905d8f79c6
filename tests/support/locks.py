"""Locks that somebody else holds in PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

WHO = "migration by hand"
"""What that session calls itself."""


@asynccontextmanager
async def holding(dsn: str, *statements: str) -> AsyncIterator[int]:
    """A session that runs statements and leaves its transaction open; gives its process id."""
    connection = await asyncpg.connect(dsn, server_settings={"application_name": WHO})
    try:
        await connection.execute("BEGIN")
        for statement in statements:
            await connection.execute(statement)
        yield connection.get_server_pid()
    finally:
        connection.terminate()


def exclusively(table: str) -> str:
    """The statement that keeps everybody else away from a table."""
    return f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"
