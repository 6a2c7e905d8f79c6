"""The clients this node knows, in memory: whether a token's client still exists costs no round trip."""

from datetime import datetime

from holdfast.ports import ClientStore


class ClientBook:
    """A snapshot of all clients, renewed by announcements."""

    def __init__(self, store: ClientStore) -> None:
        self._store = store
        self._since: dict[str, datetime] = {}

    async def load(self) -> None:
        """Read all clients anew."""
        self._since = {client.client_id: client.created_at for client in await self._store.list()}

    def since(self, client_id: str) -> datetime | None:
        """When the client was made; None if there is none. Tokens older than that are of a former client."""
        return self._since.get(client_id)
