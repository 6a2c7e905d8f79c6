"""Purged rows leave the disk.

PostgreSQL only marks a deleted row, and a plain VACUUM frees its place without overwriting it: the bytes stay in the
file until another row happens to be written there. Rewriting the tables is what removes them.
"""

import asyncio
from datetime import timedelta
from typing import Any, Final

from holdfast.resilience.events import Event, Log
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.pools import WORK, Connection
from holdfast.stores.postgres.queries import load

_log: Final = Log(__name__)

INTERVAL: Final = timedelta(minutes=10)
"""From one rewriting to the next, at least: however many purges there are, reads wait once in a while only."""

MAX_BYTES: Final = 128 * 1024 * 1024
"""Tables and indexes that are rewritten while they are in use, which takes about a second for so many bytes."""

_SNAPSHOT_PATIENCE_S: Final = 5.0
_REWRITE_TIMEOUT_S: Final = 10.0


_POOLED: Final = "no table is rewritten in a transaction, and a pooler is in between; do it over PostgreSQL's own port"


class PostgresScrubber:
    """Rewrites the tables of sealed values some time after a purge; one node does it for all."""

    def __init__(self, database: Database, *, interval: timedelta = INTERVAL, max_bytes: int = MAX_BYTES) -> None:
        self._database, self._interval, self._max_bytes = database, interval, max_bytes
        self._sql = load("scrubbing")

    async def scrub(self) -> bool:
        """Remove from disk what was purged, if it is time; returns whether that was done.

        Raises:
            BackendUnavailable: the tables are in use all the time, or PostgreSQL is away; it is tried again.
        """
        async with self._database.connection() as connection:
            begun = await connection.fetchrow(self._sql["begin"], self._interval)
            if begun is None or not (self._database.pooled or await self._forgotten(connection, begun["newest"])):
                return False
            obstacle = _POOLED if self._database.pooled else await self._obstacle(connection)
            if obstacle is not None:
                _log(Event.PURGE_BY_HAND, reason=obstacle)
            await connection.execute(self._sql["finish"], begun["purges"])
            return obstacle is None

    async def _forgotten(self, connection: Connection, newest: Any) -> bool:
        """Whether nobody looks at the past any more: rows that some transaction may still see are not removed."""
        for _ in range(10):
            if not await connection.fetchval(self._sql["still_seen"], newest):
                return True
            await asyncio.sleep(_SNAPSHOT_PATIENCE_S / 10)
        _log(Event.PURGE_WAITS)
        return False

    async def _obstacle(self, connection: Connection) -> str | None:
        """Rewrite the tables, or tell why that is for a person to do."""
        if await connection.fetchval(self._sql["bytes"]) > self._max_bytes:
            return "they are too large to be rewritten while in use; do it in a quiet hour"
        before = set(await connection.fetchrow(self._sql["files"]))
        await connection.execute(self._sql["impatient"])  # whoever waits for such a lock keeps all others waiting
        try:
            for table in ("rewrite_heads", "rewrite_history"):
                await connection.execute(self._sql[table], timeout=_REWRITE_TIMEOUT_S)
        finally:
            if not connection.is_closed():
                await connection.execute(self._sql["patient"], WORK.lock_timeout)
        if before & set(await connection.fetchrow(self._sql["files"])):
            return "this role does not own the tables; let their owner do it"
        return None
