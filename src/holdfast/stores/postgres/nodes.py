"""Who is there, in the table ``nodes``."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from holdfast.ports import BackendHealth, NodeRecord, Presences
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.migrations import ALIVE_WITHIN
from holdfast.stores.postgres.queries import load


class PostgresNodes:
    """Implements ``ports.NodeStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = load("nodes")

    async def beat(self, node: NodeRecord) -> Presences:
        """See the port."""
        backends = msgspec.json.encode(node.backends).decode()
        facts = (node.id, node.name, node.release, node.schema_version, node.started_at, backends)
        async with self._database.connection() as connection:
            await connection.execute(self._sql["beat"], *facts)
            return Presences(*await connection.fetchrow(self._sql["presences"], ALIVE_WITHIN))

    async def leave(self, node: UUID) -> None:
        """See the port."""
        async with self._database.connection() as connection:
            await connection.execute(self._sql["leave"], node)

    async def present(self) -> list[NodeRecord]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["present"], ALIVE_WITHIN)
        return list(map(_node_of, rows))

    async def vanished(self) -> list[NodeRecord]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["vanished"], ALIVE_WITHIN)
        return list(map(_node_of, rows))


def _node_of(row: Mapping[str, Any]) -> NodeRecord:
    return NodeRecord(**{**row, "backends": _backends(row["backends"])})


def _backends(text: str) -> list[BackendHealth]:
    return msgspec.json.decode(text, type=list[BackendHealth])
