"""The life of encryption keys at the commit point."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from holdfast.domain.audit import AuditRecord
from holdfast.domain.keys import KeyState, KeyStatus
from holdfast.errors import Conflict, HoldfastError
from holdfast.ports import Batch, Damaged, NodeRing, Sealer
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.migrations import ALIVE_WITHIN
from holdfast.stores.postgres.outbox import put_record
from holdfast.stores.postgres.pools import Connection
from holdfast.stores.postgres.queries import load
from holdfast.stores.postgres.renewals import RENEWALS, Renewal

COUNT_TIMEOUT_S: Final = 60.0
"""Seconds for looking at every sealed row there is: millions of them take some."""


class PostgresKeyRegistry:
    """Implements ``ports.KeyRegistry`` over ``encryption_keys``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = load("keys")

    async def known_answers(self) -> Mapping[str, bytes]:
        """See the port."""
        async with self._database.connection() as connection:
            if not await connection.fetchval(self._sql["has_keys"]):
                return {}
            return {row["key_id"]: row["known_answer"] for row in await connection.fetch(self._sql["known_answers"])}

    async def settle(self, key_id: str, known_answer: bytes) -> str:
        """See the port."""
        async with self._database.transaction() as connection:
            active: str | None = await connection.fetchval(self._sql["active"])
            if active is None:
                await connection.execute(self._sql["lock"])
                active = await connection.fetchval(self._sql["active"])
            if active is None:
                await connection.fetch(self._sql["activate"], key_id, known_answer)
        return active or key_id


class PostgresKeys:
    """Implements ``ports.KeyStore`` over ``encryption_keys``, ``retired_keys`` and ``node_rings``."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database, self._sealer = database, sealer
        self._sql = load("keys")

    async def active(self) -> tuple[int, str] | None:
        """See the port."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(self._sql["active"])
        return (row["activation"], row["key_id"]) if row else None

    async def keys(self) -> list[KeyStatus]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["keys"])
        return [KeyStatus(**{**row, "state": KeyState(row["state"])}) for row in rows]

    async def rings(self) -> list[NodeRing]:
        """See the port."""
        async with self._database.connection() as connection:
            return await _rings(connection)

    async def count(self, sealed: Mapping[str, int]) -> None:
        """See the port."""
        async with self._database.connection() as connection:
            await connection.execute(self._sql["count"], list(sealed), list(sealed.values()))

    async def announce(self, node: UUID, keys: Sequence[str], sealing: str) -> None:
        """See the port."""
        async with self._database.transaction() as connection:
            await connection.execute(self._sql["lock_shared"])
            await connection.execute(self._sql["announce"], node, list(keys), sealing)

    async def activate(self, key_id: str, known_answer: bytes, record: AuditRecord) -> list[str]:
        """See the port."""
        async with self._database.transaction() as connection:
            await connection.execute(self._sql["lock"])
            if await connection.fetchval(self._sql["is_retired"], key_id):
                raise Conflict(
                    f"The key {key_id} is retired, and never seals again. Add a new one: `holdfast keys add`."
                )
            lacking = [ring.name for ring in await _rings(connection) if key_id not in ring.keys]
            if lacking:
                return lacking
            await connection.execute(self._sql["drain"], key_id)
            await connection.fetch(self._sql["activate"], key_id, known_answer)
            await put_record(connection, record)
        self._database.recorded()
        return []

    async def sealed_under(self, key_ids: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
        """See the port."""
        async with self._database.connection() as connection:
            return await _sealed_under(connection, key_ids)

    async def rewrap(
        self, key_ids: Sequence[str], position: tuple[int, tuple[object, ...]] | None, limit: int
    ) -> Batch:
        """See the port."""
        place, after = position or (0, RENEWALS[0].start)
        renewal = RENEWALS[place]
        async with self._database.transaction() as connection:
            batch = await _renew(connection, self._sealer, renewal, key_ids, after, limit)
        if batch.position is None and place + 1 < len(RENEWALS):
            return replace(batch, position=(place + 1, RENEWALS[place + 1].start))
        return batch if batch.position is None else replace(batch, position=(place, batch.position[1]))

    async def retire(self, key_id: str, record: AuditRecord) -> Mapping[str, int]:
        """See the port."""
        async with self._database.transaction() as connection:
            await connection.execute(self._sql["lock"])
            state = await connection.fetchval(self._sql["state"], key_id)
            if state == KeyState.ACTIVE:
                raise Conflict(f"The key {key_id} seals. Activate another one first: `holdfast keys activate`.")
            if state is None:
                raise Conflict(f"Nothing was ever sealed under the key {key_id}, or it is retired already.")
            await connection.execute(self._sql["wait_for_sealers"], key_id, timeout=COUNT_TIMEOUT_S)
            # A statement of its own: it sees what those who were waited for have stored.
            remaining = (await _sealed_under(connection, [key_id])).get(key_id, {})
            if remaining:
                return remaining
            await connection.execute(self._sql["retire"], key_id)
            await put_record(connection, record)
        self._database.recorded()
        return {}


async def _renew(
    connection: Connection,
    sealer: Sealer,
    renewal: Renewal,
    key_ids: Sequence[str],
    after: tuple[object, ...],
    limit: int,
) -> Batch:
    sql = load("renewals")
    rows = await connection.fetch(sql[renewal.statement], list(key_ids), limit, *after, timeout=COUNT_TIMEOUT_S)
    renewed, damaged, names = list[tuple[object, ...]](), list[Damaged](), after
    for row in rows:
        names = tuple(row[key] for key in renewal.keys)
        try:
            renewed.append((*names, *renewal.renew(row, sealer)))
        # What a row that was edited gives rise to, beside what says so.
        except (HoldfastError, ValueError, KeyError, TypeError):
            damaged.append(Damaged(renewal.columns[0], " ".join(map(str, names))))
    await connection.executemany(sql[f"put_{renewal.statement}"], renewed)
    return Batch(renewed=len(renewed), damaged=damaged, position=(0, names) if len(rows) == limit else None)


async def _rings(connection: Connection) -> list[NodeRing]:
    return [NodeRing(**dict(row)) for row in await connection.fetch(load("keys")["rings"], ALIVE_WITHIN)]


async def _sealed_under(connection: Connection, key_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    rows: Sequence[Mapping[str, Any]] = await connection.fetch(
        load("keys")["sealed_under"], list(key_ids), timeout=COUNT_TIMEOUT_S
    )
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row["key_id"], {})[row["place"]] = row["rows"]
    return found
