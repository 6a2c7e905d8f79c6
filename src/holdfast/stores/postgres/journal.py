"""The outbox: what Key Vault must still learn of, handed out under leases with fences."""

import json
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from holdfast.domain.intent import GOES_PAST, OVERTAKES, Intent, IntentKind, IntentState
from holdfast.domain.names import SecretName
from holdfast.ports import STUCK_AFTER, JournalStatus, Orphan
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.pools import WRITE
from holdfast.stores.postgres.queries import load
from holdfast.stores.postgres.rows import attributes_of


def _pairs(table: Mapping[IntentKind, Collection[IntentKind]]) -> list[str]:
    return [f"{later} {refused}" for later, those in table.items() for refused in those]


_PAST, _OVER = _pairs(GOES_PAST), _pairs(OVERTAKES)


def no_hindrance(kind: IntentKind) -> list[str]:
    """Kinds of refused changes that one of this kind does not wait for."""
    return [*GOES_PAST.get(kind, ()), *OVERTAKES.get(kind, ())]


class PostgresJournal:
    """Implements ``ports.Journal``. Leases are judged by the database's clock alone."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = load("journal")

    async def claim(self, *, limit: int, lease: timedelta, name: SecretName | None = None) -> list[Intent]:
        """See the port."""
        async with self._database.connection(WRITE) as connection:
            rows = await connection.fetch(self._sql["claim"], limit, lease, name, _PAST)
        return sorted(map(_intent_of, rows), key=lambda intent: intent.sequence)

    async def complete(
        self, intent: Intent, *, vault_version_id: str | None = None, vault_updated_at: datetime | None = None
    ) -> bool:
        """See the port."""
        async with self._database.transaction(WRITE) as connection:
            # A write that holds the row may just be moving this version to the history: wait, then look.
            await connection.execute(self._sql["lock"], intent.incarnation)
            settled = await connection.fetchval(
                self._sql["complete"], intent.id, intent.fence, vault_version_id, vault_updated_at
            )
            if settled and intent.kind is IntentKind.SET:  # callers were told our own id until now
                await connection.execute(self._sql["tell_id"], intent.incarnation, intent.version, vault_version_id)
        return bool(settled)

    async def take_orphans(self, *, limit: int, lease: timedelta) -> list[Orphan]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["take_orphans"], limit, lease)
        return [Orphan(_intent_of(row), row["change"]) for row in rows]

    async def in_the_way(self, name: SecretName, kind: IntentKind) -> UUID | None:
        """See the port."""
        found: UUID | None = await self._value("in_the_way", name, no_hindrance(kind))
        return found

    async def release(
        self,
        intent: Intent,
        error: str,
        *,
        retry_in: timedelta,
        failed: bool = False,
        in_doubt: bool = True,
        limbo_since: datetime | None = None,
    ) -> bool:
        """See the port."""
        return bool(
            await self._value("release", intent.id, intent.fence, error, retry_in, failed, in_doubt, limbo_since)
        )

    async def park(
        self, intent: Intent, error: str, *, retry_in: timedelta, in_doubt: bool = False, overtaken: bool = False
    ) -> IntentState | None:
        """See the port."""
        async with self._database.transaction() as connection:
            # Whoever accepts another set holds the row: it supersedes what is parked by then.
            await connection.execute(self._sql["lock"], intent.incarnation)
            state = await connection.fetchval(
                self._sql["park"], intent.id, intent.fence, error, retry_in, in_doubt, overtaken, _OVER
            )
        return IntentState(state) if state else None

    async def unpark(self, name: SecretName | None = None) -> int:
        """See the port."""
        return int(await self._value("unpark", name))

    async def discard(self, name: SecretName) -> int:
        """See the port."""
        return int(await self._value("discard", name))

    async def is_held(self, name: SecretName) -> bool:
        """See the port."""
        return bool(await self._value("is_held", name))

    async def is_settled(self, intent_id: UUID) -> bool:
        """See the port."""
        return bool(await self._value("is_settled", intent_id))

    async def waiting(self) -> list[SecretName]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["waiting"])
        return [SecretName(row["secret_name"]) for row in rows]

    async def hands_off(self, name: SecretName) -> bool:
        """See the port."""
        return bool(await self._value("hands_off", name))

    async def find(self, intent_ids: Collection[UUID]) -> Mapping[UUID, Intent]:
        """See the port."""
        if not intent_ids:
            return {}
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["find"], list(intent_ids))
        return {intent.id: intent for intent in map(_intent_of, rows)}

    async def is_disputed(
        self, incarnation: UUID, kind: IntentKind, *, undone_by: IntentKind, within: timedelta
    ) -> bool:
        """See the port."""
        return bool(await self._value("is_disputed", incarnation, kind.value, undone_by.value, within))

    async def is_deletion_void(self, incarnation: UUID) -> bool:
        """See the port."""
        return bool(await self._value("is_deletion_void", incarnation))

    async def last_written(self, incarnation: UUID, version: int) -> UUID | None:
        """See the port."""
        found: UUID | None = await self._value("last_written", incarnation, version)
        return found

    async def purged_at(self, name: SecretName) -> datetime | None:
        """See the port."""
        found: datetime | None = await self._value("purged_at", name)
        return found

    async def status(self) -> JournalStatus:
        """See the port."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(self._sql["status"], STUCK_AFTER)
        return JournalStatus(**row)

    async def parked(self, name: SecretName | None = None) -> list[Intent]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["parked"], name)
        return list(map(_intent_of, rows))

    async def open(self, *, limit: int = 1000) -> list[Intent]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["open"], limit)
        return list(map(_intent_of, rows))

    async def _value(self, statement: str, *arguments: object) -> Any:
        async with self._database.connection(WRITE) as connection:
            return await connection.fetchval(self._sql[statement], *arguments)


def _intent_of(row: Mapping[str, Any]) -> Intent:
    return Intent(
        id=row["id"],
        sequence=row["sequence"],
        incarnation=row["incarnation"],
        name=SecretName(row["secret_name"]),
        display_name=row["display_name"],
        kind=IntentKind(row["kind"]),
        version=row["version"],
        attributes=attributes_of(json.loads(row["attributes"])) if row["attributes"] else None,
        state=IntentState(row["state"]),
        attempts=row["attempts"],
        fence=row["fence"],
        last_error=row["last_error"],
        created_at=row["created_at"],
        restored=row["restored"],
        failures=row["failures"],
        next_attempt_at=row["next_attempt_at"],
        limbo_since=row["limbo_since"],
    )
