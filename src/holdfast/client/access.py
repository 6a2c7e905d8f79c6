"""Grants, clients and history over the API."""

from collections.abc import Iterable
from datetime import datetime

from holdfast.client.authorisation import RemoteAuthorisation
from holdfast.client.connection import Connection, path
from holdfast.client.listings import MAX_PAGE
from holdfast.domain.audit import AuditRecord
from holdfast.domain.names import canonical_name
from holdfast.domain.policy import Grant, parse_permissions
from holdfast.ports import ClientRecord
from holdfast.v1_wire.access import (
    AddClient,
    Allowed,
    ClientDocument,
    GrantDocument,
    History,
    NewClient,
    PutGrant,
    Removed,
)


class RemoteAccess:
    """Who may do what, and who did. ``context`` is accepted and ignored: the token says who asks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def access(self) -> RemoteAuthorisation:
        """Roles, and why somebody may do something or not."""
        return RemoteAuthorisation(self._connection)

    async def grant_access(
        self,
        name: str,
        user_id: str,
        permissions: Iterable[str],
        *,
        expires_at: datetime | None = None,
        accept_existing_credentials: bool = False,
        context: object = None,
    ) -> Grant:
        """Let somebody do something to a secret, or to all that a glob covers."""
        body = PutGrant(
            pattern=name,
            user_id=user_id,
            permissions=sorted(parse_permissions(permissions)),
            expires_at=expires_at,
            accept_existing_credentials=accept_existing_credentials,
        )
        return (await self._connection.call("PUT", "/v1/grants", GrantDocument, body=body)).grant()

    async def revoke_access(self, name: str, user_id: str, *, context: object = None) -> bool:
        """Take back what was granted on this very name or glob."""
        query = {"pattern": name, "user_id": user_id}
        return (await self._connection.call("DELETE", "/v1/grants", Removed, query=query)).removed

    async def check_access(self, name: str, user_id: str, permission: str, *, context: object = None) -> bool:
        """Whether somebody may do something to a secret now."""
        query = {"name": canonical_name(name), "user_id": user_id, "permission": permission}
        return (await self._connection.call("GET", "/v1/check", Allowed, query=query)).allowed

    async def list_grants(self, *, context: object = None) -> list[Grant]:
        """Return all grants."""
        listed = self._connection.items("/v1/grants", GrantDocument, limit=MAX_PAGE)
        return [each.grant() async for each in listed]

    async def get_access_history(self, name: str, limit: int = 50, *, context: object = None) -> list[AuditRecord]:
        """Return the newest audit records of a secret, newest first."""
        target = path("/v1/secrets/{name}/history", name=canonical_name(name))
        found = await self._connection.call("GET", target, History, query={"limit": limit})
        return [each.to(AuditRecord) for each in found.items]

    async def add_client(self, client_id: str, *, context: object = None) -> str:
        """Make a client of the token endpoint and return its secret."""
        body = AddClient(client_id=client_id)
        return (await self._connection.call("POST", "/v1/clients", NewClient, body=body)).client_secret

    async def remove_client(self, client_id: str, *, context: object = None) -> bool:
        """Remove a client."""
        target = path("/v1/clients/{client_id}", client_id=client_id)
        return (await self._connection.call("DELETE", target, Removed)).removed

    async def list_clients(self, *, context: object = None) -> list[ClientRecord]:
        """Return all clients."""
        listed = self._connection.items("/v1/clients", ClientDocument, limit=MAX_PAGE)
        return [each.to(ClientRecord) async for each in listed]
