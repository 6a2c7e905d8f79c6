"""Poolers between a node and PostgreSQL, such as PgBouncer."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import asyncpg

from holdfast.errors import StartupError

Password: TypeAlias = Callable[[], Awaitable[str]]
"""Is asked for every connection that is opened: it may be another one each time."""

_STATEMENTS_ONLY = (
    "DATABASE_URL leads to a pooler that lends PostgreSQL for single statements (pool_mode = statement), so that no "
    "change could be taken whole. Set pool_mode to transaction or session there, or name PostgreSQL's own port."
)


async def is_pooled(dsn: str | None, patience_s: float, password: Password | None = None, *, oldest: int) -> bool:
    """Whether a pooler stands in front of PostgreSQL: it answers with process ids of its own.

    It may lend another session for each transaction, so nothing that is set in one holds in the next.

    Raises:
        StartupError: it lends one for each statement.
    """
    connection = await asyncpg.connect(
        dsn, password=password, timeout=patience_s, command_timeout=patience_s, statement_cache_size=0
    )
    try:
        if connection.get_server_version().major < oldest:  # which is refused soon
            return False
        if await connection.fetchval("SELECT pg_catalog.pg_backend_pid()") == connection.get_server_pid():
            return False
        try:
            await connection.execute("BEGIN")
            await connection.execute("ROLLBACK")
        except asyncpg.PostgresConnectionError as error:
            raise StartupError(_STATEMENTS_ONLY) from error
        return True
    finally:
        connection.terminate()
