"""What the scenarios play on: one PostgreSQL, a vault, and Holdfasts in front of it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count, islice
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import aiohttp
import asyncpg
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import ClientSecretCredential
from azure.keyvault.secrets.aio import SecretClient

from benchmarks import processes
from benchmarks.processes import Server
from holdfast import AccessContext, SecretsService, Settings, create_secrets_service
from holdfast.bootstrap.facade import use_cases
from holdfast.bootstrap.keysources import key_ring
from holdfast.bootstrap.parts import Parts
from holdfast.bootstrap.storage import open_database, open_installation
from holdfast.crypto.keyring import generate_key
from holdfast.domain.audit import AuditRecord
from holdfast.embedded.postgres import EmbeddedPostgres
from holdfast.ports import AuditLog
from holdfast.service.access.guard import Guard
from holdfast.service.manager import UseCases
from holdfast.stores.postgres.database import Database

CLIENT = "bench"
VISITOR = "visitor"
LONG = timedelta(hours=1)
_AT_A_TIME = 16
"""Secrets set at the same time to fill a vault."""


class Nowhere:
    """An audit log that keeps nothing: what a read would cost unrecorded. No setting leads here."""

    def __init__(self, _database: Database) -> None:
        pass

    async def append(self, record: AuditRecord) -> None:
        """Forget."""


_INSERT = """
    INSERT INTO secret_access_logs (writer, boot, seq, hash, timestamp, secret_name, user_id, operation, success,
        version, source, stale, ip_address, user_agent, request_id)
    VALUES ($1, 0, $2, '', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
"""


class Inserting:
    """An audit log as one would write it first: a statement and a commit for each record, and no chain."""

    def __init__(self, database: Database) -> None:
        self._database, self._writer, self._places = database, uuid4(), count(1)

    async def append(self, record: AuditRecord) -> None:
        """Insert."""
        facts = (record.timestamp, record.name, record.user_id, record.operation, record.success, record.version)
        origin = (record.source, record.stale, record.ip_address, record.user_agent, record.request_id)
        async with self._database.connection() as connection:
            await connection.execute(_INSERT, self._writer, next(self._places), *facts, *origin)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A PostgreSQL with a database per installation, all under one key, in a folder."""

    folder: Path
    dsn: str
    key: str

    async def database(self, name: str) -> str:
        """Make a database and return its DSN."""
        connection = await asyncpg.connect(self.dsn)
        try:
            await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()
        return urlunsplit(urlsplit(self.dsn)._replace(path=f"/{name}"))

    async def audited(self, dsn: str, user_id: str, operation: str) -> int:
        """How many successes of an operation by somebody are on record."""
        connection = await asyncpg.connect(dsn)
        try:
            found: int = await connection.fetchval(
                "SELECT count(*) FROM secret_access_logs WHERE user_id = $1 AND operation = $2 AND success",
                user_id,
                operation,
            )
        finally:
            await connection.close()
        return found

    def environ(self, dsn: str) -> dict[str, str]:
        """The environment of a server on a database."""
        return {
            "HOLDFAST_DATA_DIR": str(self.folder / "servers"),
            "HOLDFAST_PORT": "0",
            "HOLDFAST_DRAIN": "0",  # nobody stands in front of them who had to be told
            "DATABASE_URL": dsn,
            "FALLBACK_ENCRYPTION_KEY": self.key,
            "HOLDFAST_RATE_LIMIT": "1000000",  # one identity makes all the load here
            "HOLDFAST_RATE_BURST": "1000000",
        }

    @property
    def ca_file(self) -> Path:
        """What the servers' certificates are checked by."""
        return self.folder / "servers" / "tls" / "ca.pem"

    def alone(self, dsn: str) -> Settings:
        """The settings of a Holdfast without a vault."""
        return Settings(
            data_dir=self.folder / "alone", database_url=dsn, encryption_key=self.key, cache_ttl=LONG, grant_lease=LONG
        )


@asynccontextmanager
async def staged(folder: Path) -> AsyncIterator[Stage]:
    """A stage in an empty folder."""
    postgres = EmbeddedPostgres(folder / "data")
    try:
        yield Stage(folder=folder, dsn=await postgres.start(), key=generate_key())
    finally:
        await postgres.stop()


class Vault:
    """A standalone Holdfast over TLS, in the part of Key Vault, with some secrets in it."""

    def __init__(
        self,
        stage: Stage,
        dsn: str,
        values: Mapping[str, str],
        tenant: str,
        client_secret: str,
        api_token: str,
        visitor_token: str,
    ) -> None:
        self.stage, self.dsn, self.values, self.api_token = stage, dsn, values, api_token
        self.visitor_token = visitor_token
        self._tenant, self._client_secret = tenant, client_secret

    def front(self, server: Server, dsn: str, *, cache_ttl: timedelta = LONG) -> Settings:
        """The settings of a Holdfast in front of one of its servers."""
        return replace(
            self.stage.alone(dsn),
            data_dir=self.stage.folder / urlsplit(dsn).path.strip("/"),
            keyvault_url=server.url,
            keyvault_ca=self.stage.ca_file,
            authority_host=server.url,
            tenant_id=self._tenant,
            client_id=CLIENT,
            client_secret=self._client_secret,
            cache_ttl=cache_ttl,
        )

    def front_environ(self, server: Server, dsn: str) -> dict[str, str]:
        """The same for a process."""
        return {
            **self.stage.environ(dsn),
            "AZURE_KEYVAULT_URL": server.url,
            "HOLDFAST_KEYVAULT_CA": str(self.stage.ca_file),
            "AZURE_AUTHORITY_HOST": server.url,
            "AZURE_TENANT_ID": self._tenant,
            "AZURE_CLIENT_ID": CLIENT,
            "AZURE_CLIENT_SECRET": self._client_secret,
        }

    @asynccontextmanager
    async def sdk(self, server: Server) -> AsyncIterator[tuple[SecretClient, ClientSecretCredential]]:
        """Azure's own client for one of its servers, with its credential."""
        async with sdk_of(self.front(server, self.dsn)) as client_and_credential:
            yield client_and_credential


@asynccontextmanager
async def sdk_of(settings: Settings) -> AsyncIterator[tuple[SecretClient, ClientSecretCredential]]:
    """Azure's own client for the vault of some settings, with its credential, on one pool of connections."""
    # With a file instead of a context, the SDK's transport reads it again for every request.
    context = ssl.create_default_context(cafile=str(settings.keyvault_ca))
    url = str(settings.vault_url)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        transport = AioHttpTransport(session=session, session_owner=False)
        credential = ClientSecretCredential(
            str(settings.tenant_id),
            str(settings.client_id),
            str(settings.client_secret),
            authority=str(settings.authority_host),
            disable_instance_discovery=True,
            transport=transport,
        )
        yield SecretClient(url, credential, transport=transport, verify_challenge_resource=False), credential


async def make_vault(stage: Stage, name: str, values: Mapping[str, str]) -> Vault:
    """A vault with secrets, and a client that may do everything. No server runs yet."""
    dsn = await stage.database(name)
    async with create_secrets_service(stage.alone(dsn), background=False) as service:
        entries = iter(values.items())
        while some := list(islice(entries, _AT_A_TIME)):
            await asyncio.gather(*(service.set_secret(secret, value) for secret, value in some))
        secret = await service.add_client(CLIENT)
        await service.grant_access("*", CLIENT, ["get", "list", "set", "delete", "recover", "purge"])
        token = await service.tokens.create(CLIENT)
        await service.identities.add(VISITOR)
        await service.grant_access("*", VISITOR, ["get"])
        visitor = await service.tokens.create(VISITOR)
        return Vault(stage, dsn, values, service.tenant, secret, token.token, visitor.token)


@asynccontextmanager
async def serving(vault: Vault) -> AsyncIterator[Server]:
    """One server of a vault."""
    async with processes.holdfast(vault.stage.environ(vault.dsn)) as server:
        yield server


@asynccontextmanager
async def fronted(settings: Settings, people: Iterable[AccessContext]) -> AsyncIterator[SecretsService]:
    """A Holdfast that has mirrored its vault, and in which some people may read and write everything."""
    async with create_secrets_service(settings) as service:
        await service.sync()
        for each in people:
            await service.grant_access("*", each.user_id, ["get", "set"])
        yield service


def logging_to(settings: Settings, log: Callable[[Database], AuditLog]) -> SecretsService:
    """The same use cases on the same database, with another audit log."""

    async def start(stack: AsyncExitStack) -> UseCases:
        database, parts = await open_parts(stack, settings)
        return replace(use_cases(parts), guard=Guard(parts.book, log(database), parts.clock))

    return SecretsService(start)


async def open_parts(stack: AsyncExitStack, settings: Settings) -> tuple[Database, Parts]:
    """The database and the parts of a node that listens to its database and does nothing in the background."""
    ring = key_ring(settings, own_database=False)
    database = await open_database(stack, settings, None, ring)
    parts = Parts(settings, ring, database, await open_installation(database, ring))
    stack.push_async_callback(parts.close)
    await parts.feed.start(parts.coherence)
    stack.push_async_callback(parts.feed.stop)
    return database, parts
