"""Client secrets at the commit point."""

from holdfast.domain.audit import AuditRecord
from holdfast.domain.identities import IdentityKind
from holdfast.errors import Conflict
from holdfast.ports import ClientRecord, Sealer
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.outbox import put_record
from holdfast.stores.postgres.queries import load
from holdfast.stores.postgres.standing import attest, changing


class PostgresClients:
    """Implements ``ports.ClientStore`` over ``clients``."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database, self._sealer = database, sealer
        self._sql = load("identities")

    async def add(self, client_id: str, secret_hash: bytes, created_by: str, record: AuditRecord) -> None:
        """See the port."""
        async with self._database.transaction() as connection:
            await connection.execute(self._sql["hold_rules"])
            kind = IdentityKind.APPLICATION.value
            if await connection.fetch(self._sql["add_identity"], client_id, kind, created_by):
                await attest(connection, self._sealer, client_id)
            async with changing(connection, self._sealer, client_id) as found:
                if found is None:
                    raise Conflict(f"An identity of the name {client_id!r} in other letters exists; use its very name.")
                if not await connection.fetch(self._sql["add_client"], client_id, secret_hash, created_by):
                    raise Conflict(f"Client {client_id!r} exists already; remove it first or choose another id")
            await put_record(connection, record)
        self._database.recorded()

    async def remove(self, client_id: str, record: AuditRecord) -> bool:
        """See the port."""
        async with self._database.transaction() as connection:
            async with changing(connection, self._sealer, client_id):
                removed = await connection.fetch(self._sql["remove_client"], client_id)
            await put_record(connection, record)
        self._database.recorded()
        return bool(removed)

    async def list(self) -> list[ClientRecord]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["clients"])
        return [
            ClientRecord(client_id=r["client_id"], created_at=r["created_at"], created_by=r["created_by"]) for r in rows
        ]
