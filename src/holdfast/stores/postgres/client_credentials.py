"""Clients' credentials for assertions at the commit point: attested with their identity, as one."""

from collections.abc import Mapping
from typing import Any

from holdfast.domain.assertions import MAX_CREDENTIALS, ClientCredential, CredentialKind
from holdfast.domain.audit import AuditRecord
from holdfast.domain.identities import IdentityKind
from holdfast.errors import Conflict
from holdfast.ports import AssertionUse, CredentialRecord, Sealer
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.outbox import put_record
from holdfast.stores.postgres.pools import Connection
from holdfast.stores.postgres.queries import load
from holdfast.stores.postgres.standing import attest, changing


class PostgresClientCredentials:
    """Implements ``ports.ClientCredentialStore`` over ``client_credentials``."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database, self._sealer = database, sealer
        self._sql = load("identities")

    async def add(
        self, client_id: str, credential: ClientCredential, created_by: str, record: AuditRecord
    ) -> CredentialRecord:
        """See the port."""
        async with self._database.transaction() as connection:
            await connection.execute(self._sql["hold_rules"])
            kind = IdentityKind.APPLICATION.value
            if await connection.fetch(self._sql["add_identity"], client_id, kind, created_by):
                await attest(connection, self._sealer, client_id)
            async with changing(connection, self._sealer, client_id) as found:
                if found is None:
                    raise Conflict(f"An identity of the name {client_id!r} in other letters exists; use its very name.")
                if len(found.credentials) >= MAX_CREDENTIALS:
                    raise Conflict(f"{client_id!r} has {MAX_CREDENTIALS} credentials, the most there may be.")
                inserted = await self._insert(connection, client_id, credential, created_by)
            await put_record(connection, record)
        self._database.recorded()
        return inserted

    async def _insert(
        self, connection: Connection, client_id: str, credential: ClientCredential, created_by: str
    ) -> CredentialRecord:
        created_at = await connection.fetchval(
            self._sql["add_credential"],
            credential.id,
            client_id,
            credential.name,
            credential.kind.value,
            credential.issuer,
            credential.subject,
            credential.audience,
            credential.certificate,
            created_by,
        )
        if created_at is None:
            raise Conflict(
                f"{client_id!r} has a credential {credential.name!r} already; remove it first or choose another name."
            )
        return CredentialRecord(credential=credential, created_at=created_at, created_by=created_by)

    async def remove(self, client_id: str, name: str, record: AuditRecord) -> bool:
        """See the port."""
        async with self._database.transaction() as connection:
            async with changing(connection, self._sealer, client_id):
                removed = await connection.fetch(self._sql["remove_credential"], client_id, name)
            await put_record(connection, record)
        self._database.recorded()
        return bool(removed)

    async def use(self, use: AssertionUse) -> bool:
        """See the port."""
        async with self._database.connection() as connection:
            noted = await connection.fetchval(
                self._sql["use_assertion"], use.client_id, use.id_hash, use.hash, use.source, use.ends_at
            )
        return bool(noted)

    async def list(self, client_id: str) -> list[CredentialRecord]:
        """See the port."""
        async with self._database.connection() as connection:
            return [_record_of(row) for row in await connection.fetch(self._sql["client_credentials"], client_id)]


def _record_of(row: Mapping[str, Any]) -> CredentialRecord:
    terms = {field: row[field] for field in ("id", "name", "issuer", "subject", "audience", "certificate")}
    return CredentialRecord(
        credential=ClientCredential(kind=CredentialKind(row["kind"]), **terms),
        created_at=row["created_at"],
        created_by=row["created_by"],
    )
