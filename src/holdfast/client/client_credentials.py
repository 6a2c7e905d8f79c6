"""Clients' credentials for assertions over the API."""

from holdfast.client.connection import Connection, path
from holdfast.client.listings import MAX_PAGE
from holdfast.ports import CredentialRecord
from holdfast.v1_wire.access import Removed
from holdfast.v1_wire.client_credentials import CertifyClient, CredentialDocument, FederateClient


class RemoteClientCredentials:
    """What ``service.client_credentials`` is for a server. ``context`` is ignored: the token says who asks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def federate(
        self, client_id: str, *, name: str, issuer: str, subject: str, audience: str, context: object = None
    ) -> CredentialRecord:
        """Let tokens of a trusted issuer log in as a client."""
        body = FederateClient(name=name, issuer=issuer, subject=subject, audience=audience)
        return _record(await self._connection.call("POST", _of(client_id, ":federate"), CredentialDocument, body=body))

    async def certify(self, client_id: str, *, name: str, certificate: str, context: object = None) -> CredentialRecord:
        """Let assertions that the key of a certificate signed log in as a client."""
        body = CertifyClient(name=name, certificate=certificate)
        return _record(await self._connection.call("POST", _of(client_id, ":certify"), CredentialDocument, body=body))

    async def list(self, client_id: str, *, context: object = None) -> list[CredentialRecord]:
        """Return the credentials of a client."""
        listed = self._connection.items(_of(client_id), CredentialDocument, limit=MAX_PAGE)
        return [_record(each) async for each in listed]

    async def remove(self, client_id: str, name: str, *, context: object = None) -> bool:
        """Remove a credential of a client; False if there is none of that name."""
        target = _of(client_id, path("/{name}", name=name))
        return (await self._connection.call("DELETE", target, Removed)).removed


def _record(document: CredentialDocument) -> CredentialRecord:
    return CredentialRecord(
        credential=document.credential(),
        created_at=document.created_at,
        created_by=document.created_by,
        thumbprint=document.thumbprint,
        expires_at=document.expires_at,
        trusted=document.trusted,
    )


def _of(client_id: str, end: str = "") -> str:
    return path("/v1/clients/{client_id}/credentials", client_id=client_id) + end
