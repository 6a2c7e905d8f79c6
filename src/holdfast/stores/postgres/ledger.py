"""Secrets at the commit point."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from holdfast.domain.names import SecretName
from holdfast.domain.secret import SecretSummary, SecretVersion, State
from holdfast.ports import Head, Side, StoredVersion, traced
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.pools import WRITE
from holdfast.stores.postgres.queries import load
from holdfast.stores.postgres.rows import head_of, stored_of, summary_of, version_of
from holdfast.stores.postgres.transaction import PostgresTransaction, version_among


class PostgresLedger:
    """Implements ``ports.Ledger``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = load("ledger")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresTransaction]:
        """See the port."""
        with traced("postgresql.transaction", Side.CLIENT, system="postgresql"):
            async with self._database.transaction(WRITE) as connection:
                yield PostgresTransaction(connection)
        self._database.recorded()

    async def head(self, name: SecretName) -> Head | None:
        """See the port."""
        async with self._database.connection(WRITE) as connection:
            row = await connection.fetchrow(self._sql["head"], name)
        return head_of(row) if row else None

    async def _fetched(self, statement: str, *arguments: object) -> Any:
        async with self._database.connection() as connection:
            return await connection.fetchrow(self._sql[statement], *arguments)

    async def heads(self, names: Sequence[SecretName]) -> Mapping[SecretName, Head]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["heads"], list(names))
        return {head.name: head for head in map(head_of, rows)}

    async def current(self, name: SecretName, *, brief: bool = False) -> tuple[Head, StoredVersion] | None:
        """See the port."""
        with traced("postgresql.read", Side.CLIENT, system="postgresql"):
            if brief:
                row = await self._database.look(self._sql["current"], name)
            else:
                row = await self._fetched("current", name)
        return (head_of(row), stored_of(row, name, current=True)) if row else None

    async def version(self, name: SecretName, version: int | str) -> tuple[Head, StoredVersion | None] | None:
        """See the port."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(self._sql["current"], name)
            if row is None:
                return None
            head = head_of(row)
            return head, await version_among(connection, head, stored_of(row, name, current=True), version)

    async def versions(self, name: SecretName) -> list[SecretVersion]:
        """See the port."""
        async with self._database.snapshot() as connection:
            row = await connection.fetchrow(self._sql["current"], name)
            if row is None:
                return []
            history = await connection.fetch(self._sql["history"], row["incarnation"])
        former = [version_of(version, name, current=False) for version in history]
        return [*former, version_of(row, name, current=True)]

    async def unfetched(self, head: Head, *, before: int, limit: int) -> list[SecretVersion]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["unfetched"], head.incarnation, before, limit)
        return [version_of(row, head.name, current=False) for row in rows]

    async def with_unfetched(self, *, after: SecretName | None = None, limit: int = 1000) -> list[SecretName]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["with_unfetched"], after or "", limit)
        return [SecretName(row["secret_name"]) for row in rows]

    async def contents(self, name: SecretName) -> tuple[Head, list[StoredVersion]] | None:
        """See the port."""
        async with self._database.snapshot() as connection:
            row = await connection.fetchrow(self._sql["current"], name)
            if row is None:
                return None
            history = await connection.fetch(self._sql["contents"], row["incarnation"])
        former = [stored_of(version, name, current=False) for version in history]
        return head_of(row), [*former, stored_of(row, name, current=True)]

    async def names(self, state: State, *, after: SecretName | None = None, limit: int = 1000) -> list[SecretName]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["names"], state.value, after or "", limit)
        return [row["secret_name"] for row in rows]

    async def summaries(
        self, state: State, *, after: SecretName | None = None, limit: int = 1000
    ) -> list[SecretSummary]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["summaries"], state.value, after or "", limit)
        return [summary_of(row) for row in rows]

    async def summaries_of(self, state: State, names: Sequence[SecretName]) -> list[SecretSummary]:
        """See the port."""
        if not names:
            return []
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["summaries_of"], state.value, names)
        return [summary_of(row) for row in rows]

    async def overdue(self, now: datetime) -> list[SecretName]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["overdue"], now)
        return [SecretName(row["secret_name"]) for row in rows]

    async def expiring(self, before: datetime) -> list[SecretSummary]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["expiring"], before)
        return [summary_of(row) for row in rows]

    async def reminding(self, now: datetime, *, first: int, news_for: timedelta) -> list[SecretSummary]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["reminding"], now, first, news_for)
        return [summary_of(row) for row in rows]

    async def confirm(self, heads: Sequence[Head]) -> None:
        """See the port."""
        async with self._database.connection() as connection:
            await connection.execute(
                self._sql["confirm"], [head.incarnation for head in heads], [head.revision for head in heads]
            )

    async def unconfirmed(self, before: datetime, *, after: SecretName | None = None, limit: int) -> list[SecretName]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["unconfirmed"], before, after or "", limit)
        return [SecretName(row["secret_name"]) for row in rows]

    async def drifting(self, *, limit: int = 1000) -> list[Head]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["drifting"], limit)
        return list(map(head_of, rows))
