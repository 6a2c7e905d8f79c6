"""A whole Holdfast for tests: the real service on real PostgreSQL, served over TLS."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from holdfast.bootstrap import create_secrets_service
from holdfast.config import Settings
from holdfast.crypto.certificates import ServerCertificate
from holdfast.domain.policy import Permission
from holdfast.service.manager import SecretsService
from holdfast.web.compose import create_server_app
from tests.support.https import Client
from tests.support.server import running

EVERYTHING = tuple(Permission)


@dataclass(frozen=True)
class Installation:
    """A running server and the service behind it."""

    service: SecretsService
    settings: Settings
    port: int
    ca_file: Path
    tenant: str

    @property
    def url(self) -> str:
        """The server's address."""
        return f"https://127.0.0.1:{self.port}"

    async def register(self, client_id: str, permissions: Iterable[str] = EVERYTHING, pattern: str = "*") -> str:
        """Make a client with a grant and return its secret."""
        if permissions:
            await self.service.grant_access(pattern, client_id, permissions)
        return await self.service.add_client(client_id)

    async def client(self, client_id: str, secret: str) -> Client:
        """A client that has got its token from the server."""
        anonymous = Client(self.port, self.ca_file)
        return replace(anonymous, token=await anonymous.token_for(self.tenant, client_id, secret))


@asynccontextmanager
async def installed(settings: Settings, certificate: ServerCertificate) -> AsyncIterator[Installation]:
    """A running installation."""
    app_service = create_secrets_service(settings)
    async with app_service as service, running(create_server_app(service, settings), certificate) as port:
        yield Installation(service, settings, port, certificate.ca_file, service.tenant)
