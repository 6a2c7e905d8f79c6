"""Encryption keys over the API, by their ids."""

from holdfast.client.connection import Connection
from holdfast.domain.keys import KeyReport, RewrapReport
from holdfast.v1_wire.keys import EncryptionKeysDocument, RewrapDocument, WhichKey


class RemoteKeys:
    """What ``service.keys`` is for a server. ``context`` is accepted and ignored: the token says who asks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def status(self, *, context: object = None) -> KeyReport:
        """Return every key: where it stands, which nodes lack it, what is sealed under it."""
        return (await self._connection.call("GET", "/v1/keys", EncryptionKeysDocument)).to(KeyReport)

    async def activate(self, key_id: str, *, context: object = None) -> KeyReport:
        """Let a key seal from now on, on every node."""
        body = WhichKey(key_id=key_id)
        return (await self._connection.call("POST", "/v1/keys:activate", EncryptionKeysDocument, body=body)).to(
            KeyReport
        )

    async def rewrap(self, *, context: object = None) -> RewrapReport:
        """Put rows under the active key, for some seconds at most."""
        return (await self._connection.call("POST", "/v1/keys:rewrap", RewrapDocument)).to(RewrapReport)

    async def retire(self, key_id: str, *, context: object = None) -> KeyReport:
        """Forget a key that nothing is sealed under any more."""
        body = WhichKey(key_id=key_id)
        found = await self._connection.call("POST", "/v1/keys:retire", EncryptionKeysDocument, body=body)
        return found.to(KeyReport)
