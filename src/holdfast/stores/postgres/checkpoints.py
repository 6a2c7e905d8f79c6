"""Checkpoints of the audit trail, and the keys that sign them."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from holdfast.domain.checkpoint import Gap, Head, Pruned
from holdfast.errors import Conflict
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.pools import Connection
from holdfast.stores.postgres.queries import load
from holdfast.stores.postgres.trail import LONG_S

SETTLED_AFTER: Final = timedelta(hours=2)
"""A chain without a new record for this long is looked at no more: its writer gives it up after one hour."""


class PostgresCheckpoints:
    """Implements ``ports.CheckpointStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = load("checkpoints")

    async def extend(self, make: Callable[[bytes | None, Sequence[Head], int], bytes]) -> bytes | None:
        """See the port."""
        async with self._database.transaction() as connection:
            await self._lock(connection)
            rows = await connection.fetch(self._sql["heads"])
            if not rows:
                await connection.execute(self._sql["settle"], SETTLED_AFTER)
                return None
            last: str | None = await connection.fetchval(self._sql["last"])
            heads = [Head(writer=row["writer"], boot=row["boot"], seq=row["seq"], hash=row["hash"]) for row in rows]
            line = make(last.encode() if last else None, heads, sum(row["records"] for row in rows))
            await connection.execute(self._sql["store"], line.decode())
            columns = ([head.writer for head in heads], [head.boot for head in heads], [head.seq for head in heads])
            await connection.execute(self._sql["sign"], *columns)
        return line

    async def prune(self, keep: timedelta, make: Callable[[bytes | None, Sequence[Pruned]], bytes]) -> bytes | None:
        """See the port."""
        async with self._database.transaction() as connection:
            await self._lock(connection)
            await connection.execute(self._sql["be_brief"])  # records wait behind whoever waits to drop a table
            partition = await connection.fetchval(self._sql["prunable"], keep, timeout=LONG_S)
            if partition is None:
                return None
            pruned = [Pruned(**row) for row in await connection.fetch(self._sql["runs"], partition, timeout=LONG_S)]
            last: str | None = await connection.fetchval(self._sql["last"])
            line = make(last.encode() if last else None, pruned)
            await connection.execute(self._sql["store"], line.decode())
            await connection.execute(self._sql["drop"], partition)
        return line

    async def _lock(self, connection: Connection) -> None:
        if not await connection.fetchval(self._sql["lock"]):
            raise Conflict("Another node makes a checkpoint at this moment.")

    async def gaps(self) -> list[Gap]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["gaps"])
        return [Gap(**row) for row in rows]

    async def pass_over(self, gap: Gap, make: Callable[[bytes | None, Head, int], bytes]) -> bytes | None:
        """See the port."""
        async with self._database.transaction() as connection:
            await connection.execute(self._sql["wait_for_lock"])
            if gap not in [Gap(**row) for row in await connection.fetch(self._sql["gaps"])]:
                return None
            row = await connection.fetchrow(self._sql["head_after"], gap.writer, gap.boot, gap.last)
            head = Head(writer=gap.writer, boot=gap.boot, seq=row["seq"], hash=row["hash"])
            last: str | None = await connection.fetchval(self._sql["last"])
            line = make(last.encode() if last else None, head, head.seq - gap.last)
            await connection.execute(self._sql["store"], line.decode())
            await connection.execute(self._sql["sign"], [head.writer], [head.boot], [head.seq])
        return line

    async def lines(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["lines"], after, limit)
        return [(row["number"], row["line"].encode()) for row in rows]

    async def keys(self) -> list[tuple[bytes, bytes]]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["keys"])
        return [(row["public_key"], row["sealed_key"]) for row in rows]

    async def add_key(self, key_id: str, public_key: bytes, sealed_key: bytes) -> None:
        """See the port."""
        async with self._database.transaction() as connection:
            # A statement of its own: the next one looks anew, and sees what whoever held the lock has stored.
            await connection.execute(self._sql["lock_keys"])
            await connection.execute(self._sql["add_key"], key_id, public_key, sealed_key)

    async def reseal_key(self, public_key: bytes, sealed_key: bytes) -> None:
        """See the port."""
        async with self._database.connection() as connection:
            await connection.execute(self._sql["reseal_key"], public_key, sealed_key)
