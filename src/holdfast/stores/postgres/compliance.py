"""The queries of compliance reports."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.queries import load

_TIMEOUT_S: Final = 60.0
"""Seconds for one query: those on the audit trail look at half a million records."""


class PostgresQueries:
    """Implements ``ports.compliance.Queries`` over ``compliance.sql``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = load("compliance")

    async def ask(self, query: str, *arguments: object) -> Sequence[Mapping[str, Any]]:
        """See the port."""
        async with self._database.connection() as connection:
            rows: Sequence[Mapping[str, Any]] = await connection.fetch(self._sql[query], *arguments, timeout=_TIMEOUT_S)
        return rows
