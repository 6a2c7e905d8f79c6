"""Health, expiry, caches and Key Vault over the API."""

from collections.abc import Iterable

from holdfast.client.connection import Connection
from holdfast.client.listings import MAX_PAGE
from holdfast.ports import NodeRecord
from holdfast.service.installation.reports import ExpiringSecret, HealthReport, WhoAmI
from holdfast.service.vault.mirroring import Progress, SyncReport
from holdfast.v1_wire.node import (
    DiscardIntents,
    ExpiringDocument,
    HealthDocument,
    IntentsDocument,
    InvalidateCache,
    NodesDocument,
    SyncDocument,
    WarmCache,
    Warmed,
    WhoAmIDocument,
)


class RemoteInstallation:
    """How the installation is. ``context`` is accepted and ignored: the token says who asks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def get_secret_health(self, *, probe: bool = False, context: object = None) -> HealthReport:
        """Return totals, the state of every backend, and what to do about it."""
        query = {"probe": probe}
        return (await self._connection.call("GET", "/v1/health", HealthDocument, query=query)).to(HealthReport)

    async def whoami(self, *, context: object = None) -> WhoAmI:
        """Return who the token proves, and which installation answers."""
        return (await self._connection.call("GET", "/v1/whoami", WhoAmIDocument)).to(WhoAmI)

    async def list_nodes(self, *, context: object = None) -> list[NodeRecord]:
        """Return the nodes that run now."""
        found = await self._connection.call("GET", "/v1/nodes", NodesDocument)
        return [each.to(NodeRecord) for each in found.items]

    async def check_expiring_secrets(self, days: int = 30, *, context: object = None) -> list[ExpiringSecret]:
        """Return what expires within some days, or has, soonest first."""
        listed = self._connection.items("/v1/expiring", ExpiringDocument, limit=MAX_PAGE, query={"days": days})
        return [each.to(ExpiringSecret) async for each in listed]

    async def warm_cache(self, names: Iterable[str], *, context: object = None) -> int:
        """Read secrets into the caches of the server."""
        body = WarmCache(names=list(names))
        return (await self._connection.call("POST", "/v1/cache:warm", Warmed, body=body)).warmed

    async def invalidate_cache(self, name: str | None = None, *, context: object = None) -> None:
        """Let the next read of a secret ask Key Vault."""
        await self._connection.send("POST", "/v1/cache:invalidate", body=InvalidateCache(name=name))

    async def sync(self, *, progress: Progress | None = None, context: object = None) -> SyncReport:
        """Compare the mirror with the whole Key Vault now. Progress is not reported from afar."""
        return (await self._connection.call("POST", "/v1/sync", SyncDocument)).to(SyncReport)

    async def reconcile(
        self, *, retry: bool = False, discard: str | None = None, context: object = None
    ) -> IntentsDocument:
        """Return what waits for Key Vault or for a person; retry it, or give up the changes of one secret."""
        if discard is not None:
            body = DiscardIntents(name=discard)
            return await self._connection.call("POST", "/v1/intents:discard", IntentsDocument, body=body)
        if retry:
            return await self._connection.call("POST", "/v1/intents:retry", IntentsDocument)
        return await self._connection.call("GET", "/v1/intents", IntentsDocument)
