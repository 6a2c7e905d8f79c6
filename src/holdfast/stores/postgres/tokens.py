"""API tokens at the commit point."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any, Final
from uuid import UUID

from holdfast.domain.audit import AuditRecord
from holdfast.errors import Conflict, IdentityNotFound, IntegrityFailure
from holdfast.ports import Sealer, StoredToken, TokenRecord
from holdfast.resilience.events import Event, Log
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.outbox import put_record
from holdfast.stores.postgres.pools import Connection
from holdfast.stores.postgres.queries import load
from holdfast.stores.postgres.standing import attest, changing, standing_in

_log: Final = Log(__name__)


async def insert_token(
    connection: Connection, sealer: Sealer, token: TokenRecord, token_hash: bytes, incarnation: UUID
) -> None:
    """Insert a token, for this life of its identity, in a transaction; the caller attests the identity."""
    stored = StoredToken(record=token, hash=token_hash, incarnation=incarnation)
    await connection.execute(
        load("identities")["add_token"],
        token.id,
        token_hash,
        token.identity,
        token.description,
        list(map(str, token.networks)),
        token.created_by,
        token.created_at,
        int(token.lifetime.total_seconds()),
        token.expires_at,
        token.max_expires_at,
        sealer.attest(stored.facts()),
    )
    await connection.execute(load("identities")["list_token"], token.identity, token.id)


async def revoke_token(connection: Connection, sealer: Sealer, token_id: UUID) -> bool:
    """Revoke a token in a transaction; False if it was revoked before, or is not there."""
    sql = load("identities")
    owner = await connection.fetchval(sql["lock_owner"], token_id)
    revoked = await connection.fetch(sql["revoke_token"], token_id)
    if revoked and owner is not None and await _is_genuine(connection, sealer, owner):
        await attest(connection, sealer, owner)
    return bool(revoked)


async def _is_genuine(connection: Connection, sealer: Sealer, owner: str) -> bool:
    """Whether an identity may be attested again; of one that may not, no token counts."""
    try:
        (await standing_in(connection, owner)).verify(sealer)
    except IntegrityFailure as error:
        _log(Event.REVOKED_OF_NO_GENUINE_IDENTITY, owner=owner, reason=error)
        return False
    return True


class PostgresTokens:
    """Implements ``ports.TokenStore`` over ``api_tokens``."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database, self._sealer = database, sealer
        self._sql = load("identities")

    async def add(self, token: TokenRecord, token_hash: bytes, record: AuditRecord) -> None:
        """See the port."""
        async with self._database.transaction() as connection:
            await connection.execute(self._sql["hold_rules"])
            async with changing(connection, self._sealer, token.identity) as standing:
                if standing is None:
                    raise IdentityNotFound(f"There is no identity {token.identity!r}; add it first.")
                if standing.disabled:
                    raise Conflict(f"Identity {token.identity!r} is disabled; enable it first.")
                await insert_token(connection, self._sealer, token, token_hash, standing.incarnation)
            await put_record(connection, record)
        self._database.recorded()

    async def get(self, token_id: UUID) -> TokenRecord | None:
        """See the port."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(self._sql["token"], token_id)
        return _token_of(row) if row else None

    async def list(self, identity: str | None) -> list[TokenRecord]:
        """See the port."""
        async with self._database.connection() as connection:
            return [_token_of(row) for row in await connection.fetch(self._sql["tokens"], identity)]

    async def page(
        self, identity: str | None, after: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[TokenRecord]:
        """See the port."""
        moment, token = after or (None, None)
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["page_of_tokens"], identity, moment, token, limit)
        return [_token_of(row) for row in rows]

    async def renew(self, token_id: UUID, expires_at: datetime, record: AuditRecord) -> TokenRecord | None:
        """See the port."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(self._sql["lock_token"], token_id)
            if row is None:
                return None
            stored = stored_token_of(row)
            self._sealer.verify(stored.facts(), stored.attestation)
            if not row["counts"]:
                raise IntegrityFailure(f"Token {token_id} was revoked, and its row was put back; revoke it again.")
            until = max(stored.record.expires_at, min(expires_at, stored.record.max_expires_at))
            renewed = replace(stored, record=replace(stored.record, expires_at=until))
            row = await connection.fetchrow(
                self._sql["renew_token"], token_id, until, self._sealer.attest(renewed.facts())
            )
            await put_record(connection, record)
        self._database.recorded()
        return _token_of(row)

    async def revoke(self, token_id: UUID, record: AuditRecord) -> bool:
        """See the port."""
        async with self._database.transaction() as connection:
            revoked = await revoke_token(connection, self._sealer, token_id)
            await put_record(connection, record)
        self._database.recorded()
        return revoked

    async def touch(self, used: Mapping[UUID, datetime]) -> None:
        """See the port."""
        async with self._database.connection() as connection:
            await connection.execute(self._sql["touch_tokens"], list(used), list(used.values()))


def stored_token_of(row: Mapping[str, Any]) -> StoredToken:
    """Return a token with what it is found and attested by."""
    return StoredToken(
        record=_token_of(row), hash=row["token_hash"], incarnation=row["incarnation"], attestation=row["attestation"]
    )


def _token_of(row: Mapping[str, Any]) -> TokenRecord:
    return TokenRecord(
        id=row["id"],
        identity=row["identity_name"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        lifetime=timedelta(seconds=row["lifetime_s"]),
        expires_at=row["expires_at"],
        max_expires_at=row["max_expires_at"],
        description=row["description"],
        networks=tuple(map(ip_network, row["networks"])),
        renewals=row["renewals"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
    )
