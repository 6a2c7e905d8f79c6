"""One transaction over secrets, their intents and their audit records."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from holdfast.domain.attributes import carried
from holdfast.domain.audit import AuditRecord
from holdfast.domain.intent import OVERTAKES, IntentKind, IntentState
from holdfast.domain.names import SecretName
from holdfast.domain.rotation import Phase, RotationRun
from holdfast.domain.secret import JSONObject, RotationPolicy, SecretVersion
from holdfast.errors import ChangePending, Conflict, IntegrityFailure, TransitionPending
from holdfast.ports import Head, StoredVersion
from holdfast.stores.postgres.journal import no_hindrance
from holdfast.stores.postgres.outbox import put_record
from holdfast.stores.postgres.pools import Connection
from holdfast.stores.postgres.queries import load
from holdfast.stores.postgres.rows import (
    attribute_columns,
    attributes_object,
    head_of,
    policy_object,
    sealed_columns,
    settings_column,
    stored_of,
)


class PostgresTransaction:
    """Implements ``ports.LedgerTransaction`` on a connection inside a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sql = load("ledger")

    async def lock(self, name: SecretName, *, proposal: UUID | None = None) -> Head | None:
        """See the port."""
        row = await self._connection.fetchrow(self._sql["lock"], name)
        if row is None:  # the name is held instead of its row, which somebody may have made meanwhile
            await self._connection.execute(self._sql["lock_name"], name)
            row = await self._connection.fetchrow(self._sql["lock"], name)
        # A statement of its own: it sees what whoever held the lock has committed.
        if await self._connection.fetchval(self._sql["proposed"], name) not in (None, proposal):
            raise _pending(name)
        return head_of(row) if row else None

    async def create(self, head: Head, version: StoredVersion) -> Head:
        """See the port."""
        row = await self._connection.fetchrow(
            self._sql["create"],
            head.name,
            head.display_name,
            head.incarnation,
            head.state.value,
            *_head_columns(head),
            *_content_columns(version),
        )
        if row is None:
            raise TransitionPending(f"Secret {head.name!r} was created by somebody else at this moment; try again")
        return replace(head, revision=row["revision"])

    async def append(self, head: Head, version: StoredVersion) -> Head:
        """See the port."""
        await self._connection.execute(self._sql["keep_former"], head.incarnation)
        return await self.supplant(head, version)

    async def supplant(self, head: Head, version: StoredVersion) -> Head:
        """See the port."""
        row = await self._connection.fetchrow(
            self._sql["put_current"],
            head.display_name,
            head.incarnation,
            head.state.value,
            *_head_columns(head),
            *_content_columns(version),
        )
        return _revised(head, row)

    async def add_history(self, head: Head, versions: Sequence[StoredVersion]) -> None:
        """See the port."""
        rows = [
            (
                head.incarnation,
                each.version.version,
                each.version.version_id,
                *_content_columns(each),
                each.version.vault_version_id,
            )
            for each in versions
        ]
        await self._connection.executemany(self._sql["add_history"], rows)

    async def fill(self, head: Head, versions: Sequence[StoredVersion]) -> None:
        """See the port."""
        rows = [(head.incarnation, each.version.version, *sealed_columns(each.sealed)) for each in versions]
        await self._connection.executemany(self._sql["fill"], rows)

    async def stored(self, head: Head, version: int | str | None = None) -> StoredVersion | None:
        """See the port."""
        row = await self._connection.fetchrow(self._sql["current"], head.name)
        same = row is not None and row["incarnation"] == head.incarnation and row["version"] == head.version
        current = stored_of(row, head.name, current=True) if same else None
        return current if version is None else await version_among(self._connection, head, current, version)

    async def carry(self, head: Head, version: SecretVersion) -> None:
        """See the port."""
        statement = self._sql["carry_current" if version.version == head.version else "carry_history"]
        await self._connection.execute(statement, head.incarnation, version.version, carried(version.attributes))

    async def rewrite(self, head: Head, version: StoredVersion, *, by: str | None = None) -> Head:
        """See the port."""
        facts = version.version
        current = facts.version == head.version
        await self._connection.execute(
            self._sql["rewrite_current" if current else "rewrite_history"],
            head.incarnation,
            facts.version,
            *sealed_columns(version.sealed),
            *attribute_columns(facts.attributes),
            facts.updated_at,
            facts.vault_version_id,
            *([by] if current else []),  # who made a former version is kept, and not who changed it since
        )
        return await self.put_head(head)

    async def put_head(self, head: Head) -> Head:
        """See the port."""
        row = await self._connection.fetchrow(
            self._sql["put_head"],
            head.incarnation,
            head.display_name,
            head.state.value,
            head.attestation,
            settings_column(head.settings),
            head.vault_version_id,
            head.vault_updated_at,
            head.verified_at,
            head.deleted_at,
            head.scheduled_purge_at,
            head.drift,
            head.provisional,
        )
        return _revised(head, row)

    async def remove(self, head: Head) -> int:
        """See the port."""
        # In a statement of its own: the next one sees what whoever held the rules has changed.
        await self._connection.execute(load("grants")["lock"])
        revision: int = await self._connection.fetchval(self._sql["remove"], head.incarnation, head.name)
        return revision

    async def add_intent(
        self, intent_id: UUID, head: Head, kind: IntentKind, version: SecretVersion | None = None
    ) -> None:
        """See the port."""
        await self._connection.execute(
            self._sql["add_intent"],
            intent_id,
            head.incarnation,
            head.name,
            head.display_name,
            kind.value,
            version.version if version else None,
            json.dumps(attributes_object(version.attributes)) if version else None,
        )

    async def put_schedule(self, name: SecretName, policy: RotationPolicy | None) -> None:
        """See the port."""
        if policy is None:
            await self._connection.execute(self._sql["remove_schedule"], name)
        else:
            await self._connection.execute(
                self._sql["put_schedule"], name, json.dumps(policy_object(policy)), policy.interval_days
            )

    async def promote(self, run: RotationRun, phase: Phase, version: int) -> bool:
        """See the port."""
        sql = load("rotation")
        await self._connection.execute(sql["promote"], run.id, run.fence, phase.value, version)
        return bool(await self._connection.fetchval(sql["is_promoted"], run.id, run.fence, version))

    async def in_the_way(self, name: SecretName, kind: IntentKind) -> UUID | None:
        """See the port."""
        found: UUID | None = await self._connection.fetchval(load("journal")["in_the_way"], name, no_hindrance(kind))
        return found

    async def propose(self, intent_id: UUID, name: SecretName, sealed: bytes, lease: timedelta) -> None:
        """See the port."""
        if not await self._connection.fetchval(self._sql["propose"], intent_id, name, sealed, lease):
            raise _pending(name)

    async def conclude(
        self,
        intent_id: UUID,
        fence: int,
        state: IntentState,
        *,
        error: str | None = None,
        retry_in: timedelta = timedelta(),
    ) -> bool:
        """See the port."""
        concluded = await self._connection.fetchval(
            self._sql["conclude"], intent_id, fence, state.value, error, retry_in
        )
        return bool(concluded)

    async def concluded(self, intent_id: UUID, fence: int) -> IntentState | None:
        """See the port."""
        state = await self._connection.fetchval(self._sql["concluded"], intent_id, fence)
        return IntentState(state) if state else None

    async def complete(
        self, intent_id: UUID, fence: int, vault_version_id: str | None, vault_updated_at: datetime | None
    ) -> None:
        """See the port."""
        sql = load("journal")["complete"]
        await self._connection.execute(sql, intent_id, fence, vault_version_id, vault_updated_at)

    async def supersede_intents(self, head: Head, purge: UUID) -> None:
        """See the port."""
        await self._connection.execute(self._sql["supersede_intents"], head.incarnation, purge)

    async def supersede_purges(self, name: SecretName, purge: UUID) -> None:
        """See the port."""
        await self._connection.execute(self._sql["supersede_purges"], name, purge)

    async def supersede_refused(
        self, head: Head, intent_id: UUID, kind: IntentKind, version: int | None
    ) -> list[int | None]:
        """See the port."""
        kinds = list(OVERTAKES.get(kind, ()))
        rows = await self._connection.fetch(self._sql["supersede_refused"], head.incarnation, intent_id, kinds, version)
        return [row["version"] for row in rows]

    async def is_in_vault(self, head: Head, purge: UUID) -> bool:
        """See the port."""
        return bool(await self._connection.fetchval(self._sql["is_in_vault"], head.incarnation, purge))

    async def record(self, record: AuditRecord) -> None:
        """See the port."""
        await put_record(self._connection, record)

    async def recall(self, user_id: str, key: str) -> tuple[bytes, JSONObject] | None:
        """See the port."""
        row = await self._connection.fetchrow(self._sql["recall"], user_id, key)
        return (row["fingerprint"], json.loads(row["answer"])) if row else None

    async def remember(self, user_id: str, key: str, fingerprint: bytes, name: SecretName, answer: JSONObject) -> None:
        """See the port."""
        kept = await self._connection.fetchval(
            self._sql["remember"], user_id, key, name, fingerprint, json.dumps(answer)
        )
        if kept is None:
            raise Conflict("The same idempotency key is in use by another request at this moment; try again")

    async def answer_otherwise(self, name: SecretName, intent_id: UUID, answer: JSONObject) -> None:
        """See the port."""
        await self._connection.execute(self._sql["answer_otherwise"], name, intent_id, json.dumps(answer))


async def version_among(
    connection: Connection, head: Head, current: StoredVersion | None, asked: int | str
) -> StoredVersion | None:
    """Return a version of a secret by its number or any of its ids; our own id comes before those of Key Vault."""
    if current is not None and asked in (current.version.version, current.version.version_id):
        return current  # by the next statement another may be
    query = load("ledger")["version_by_number" if isinstance(asked, int) else "version_by_id"]
    row = await connection.fetchrow(query, head.incarnation, asked)
    former = stored_of(row, head.name, current=False) if row else None
    if (
        current is not None
        and current.version.is_known_as(asked)
        and (not former or former.version.version_id != asked)
    ):
        return current
    return former


def _pending(name: SecretName) -> ChangePending:
    return ChangePending(f"Key Vault is being asked about another change of {name!r} at this moment; try again")


def _head_columns(head: Head) -> tuple[Any, ...]:
    return (
        head.attestation,
        settings_column(head.settings),
        head.version,
        head.version_id,
        head.vault_version_id,
        head.vault_updated_at,
        head.verified_at,
        head.deleted_at,
        head.scheduled_purge_at,
        head.drift,
        head.provisional,
    )


def _content_columns(version: StoredVersion) -> tuple[Any, ...]:
    facts = version.version
    return (
        *sealed_columns(version.sealed),
        *attribute_columns(facts.attributes),
        facts.created_at,
        facts.updated_at,
        facts.created_by,
    )


def _revised(head: Head, row: Mapping[str, Any] | None) -> Head:
    if row is None:
        raise IntegrityFailure(f"The row of secret {head.name!r} vanished while it was locked")
    return replace(head, revision=row["revision"])
