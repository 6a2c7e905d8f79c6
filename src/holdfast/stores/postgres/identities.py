"""Identities at the commit point. Each row is attested: what was edited behind our back is not built upon."""

from collections.abc import Mapping
from typing import Any

from holdfast.domain.audit import AuditRecord
from holdfast.domain.identities import IdentityKind
from holdfast.errors import Conflict
from holdfast.ports import ApproveJoining, IdentityRecord, IdentitySnapshot, Sealer, StoredRule, TokenRecord
from holdfast.resilience.tasks import unhurried
from holdfast.stores.postgres.break_glass import void_emergencies
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.grants import put_rule
from holdfast.stores.postgres.outbox import put_record
from holdfast.stores.postgres.pools import Connection
from holdfast.stores.postgres.queries import load
from holdfast.stores.postgres.standing import (
    attest,
    changing,
    credentials_of,
    forget,
    marks_of,
    standing_in,
    standing_of,
)
from holdfast.stores.postgres.tokens import insert_token, stored_token_of


async def remove_identity(connection: Connection, sealer: Sealer, name: str) -> tuple[bool, int]:
    """Remove an identity with all that is its own; returns whether it was there, and the epoch of the rules."""
    sql = load("identities")
    await void_emergencies(connection, name)
    epoch: int = await connection.fetchval(sql["remove_rules"], name)
    removed = await connection.fetch(sql["remove_identity"], name)
    await forget(connection, sealer, name)
    return bool(removed), epoch


class PostgresIdentities:
    """Implements ``ports.IdentityStore`` over ``identities``, ``identity_groups`` and ``api_tokens``."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database, self._sealer = database, sealer
        self._sql = load("identities")

    async def snapshot(self, name: str | None = None) -> IdentitySnapshot:
        """See the port."""
        async with self._database.snapshot() as connection:
            head = await connection.fetchrow(self._sql["marks"])
            standings = await connection.fetch(self._sql["standings"], name)
            tokens = await connection.fetch(self._sql["live_tokens"], name)
        return IdentitySnapshot(
            epoch=head["epoch"],
            marks=marks_of(head),
            standings=[standing_of(row) async for row in unhurried(standings)],
            tokens=[stored_token_of(row) async for row in unhurried(tokens)],
        )

    async def list(self, *, after: str | None = None, limit: int | None = None) -> list[IdentityRecord]:
        """See the port."""
        async with self._database.connection() as connection:
            return [_identity_of(row) for row in await connection.fetch(self._sql["identities"], after, limit)]

    async def add(self, name: str, kind: IdentityKind, created_by: str, record: AuditRecord) -> None:
        """See the port."""
        async with self._database.transaction() as connection:
            if not await connection.fetch(self._sql["add_identity"], name, kind.value, created_by):
                raise Conflict(f"Identity {name!r} exists already, in these or other letters; choose another name.")
            await attest(connection, self._sealer, name)
            await put_record(connection, record)
        self._database.recorded()

    async def set_disabled(self, name: str, record: AuditRecord, *, disabled: bool) -> bool:
        """See the port."""
        async with self._database.transaction() as connection:
            async with changing(connection, self._sealer, name) as found:
                await connection.execute(self._sql["set_disabled"], name, disabled)
            if found is None:  # then nothing succeeded
                return False
            await put_record(connection, record)
        self._database.recorded()
        return True

    async def remove(self, name: str, record: AuditRecord) -> tuple[bool, int]:
        """See the port."""
        async with self._database.transaction() as connection:
            removed, epoch = await remove_identity(connection, self._sealer, name)
            await put_record(connection, record)
        self._database.recorded()
        return removed, epoch

    async def set_groups(self, name: str, groups: frozenset[str], set_by: str, approve: ApproveJoining) -> bool:
        """See the port."""
        async with self._database.transaction() as connection:
            epoch: int = await connection.fetchval(self._sql["hold_rules"])
            async with changing(connection, self._sealer, name) as found:
                if found is not None:
                    record = approve(await credentials_of(connection, name), groups - found.groups, epoch)
                    await connection.execute(self._sql["leave_groups"], name, list(groups))
                    await connection.execute(self._sql["join_groups"], name, list(groups), set_by)
            if found is None:
                return False
            await put_record(connection, record)
        self._database.recorded()
        return True

    async def establish(
        self, token: TokenRecord, token_hash: bytes, rule: StoredRule, record: AuditRecord
    ) -> int | None:
        """See the port."""
        async with self._database.transaction() as connection:
            await connection.execute(self._sql["lock_identities"])
            if await connection.fetchval(self._sql["any_identity"]):
                return None
            epoch: int = (await put_rule(connection, rule))["epoch"]
            await self._put_with_token(connection, token, token_hash, record, accept=False)
        self._database.recorded()
        return epoch

    async def reset(self, token: TokenRecord, token_hash: bytes, rule: StoredRule, record: AuditRecord) -> int:
        """See the port."""
        async with self._database.transaction() as connection:
            # The rule first: whoever removes an identity locks the epoch of the rules first as well.
            epoch: int = (await put_rule(connection, rule))["epoch"]
            await void_emergencies(connection, token.identity)
            await connection.fetch(self._sql["remove_identity"], token.identity)
            await self._put_with_token(connection, token, token_hash, record, accept=True)
        self._database.recorded()
        return epoch

    async def _put_with_token(
        self, connection: Connection, token: TokenRecord, token_hash: bytes, record: AuditRecord, *, accept: bool
    ) -> None:
        name = token.identity
        if not await connection.fetch(self._sql["add_identity"], name, IdentityKind.PERSON.value, token.created_by):
            raise Conflict(f"An identity of the name {name!r} in other letters exists; remove it first.")
        standing = await standing_in(connection, name)
        await insert_token(connection, self._sealer, token, token_hash, standing.incarnation)
        await attest(connection, self._sealer, name, accept=accept)
        await put_record(connection, record)


def _identity_of(row: Mapping[str, Any]) -> IdentityRecord:
    return IdentityRecord(
        name=row["name"],
        kind=IdentityKind(row["kind"]),
        created_by=row["created_by"],
        created_at=row["created_at"],
        disabled_at=row["disabled_at"],
        groups=tuple(row["groups"]),
        has_client_secret=row["has_client"],
        has_totp=row["totp_confirmed_at"] is not None,
        tokens=row["tokens"],
    )
