"""What clients are tried against: ``holdfast serve`` over TLS under a name of its own, alone or before a vault."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from holdfast import Settings, create_secrets_service
from holdfast.domain.policy import Permission
from tests.conformance.clients import ADFS, ALONE, BEFORE_A_VAULT, IDENTITY
from tests.conformance.store import serving_store
from tests.support.postgres import empty_database
from tests.support.serving import Process, serving
from tests.support.tunnel import Tunnel, tunnelling
from tests.support.world import KEY

DOMAIN: Final = "vault.holdfast.test"
"""The resource of the server's tokens. No name under it is known to any resolver: the tunnel leads there."""

VAULT: Final = f"https://my.{DOMAIN}"
STORE: Final = "store.holdfast.test"
CLIENT, STRANGER, GENERATED = "conformance", "stranger", "generated"

SEEDS: Final = {
    "seed": "a value from the vault",
    "airflow-variables-greeting": "a value from the vault",
    "airflow-connections-shop": "postgres://app:p%40ss@db.example:5432/shop",
    "airflow-config-sentry-dsn": "a password from the vault",
    "shop-db-password": "a password from the vault",
}
"""Secrets that are there from the beginning, under the names by which programs look for them."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A running server.

    ``environs``: what a client's process is given, and nothing else, by what it is tried against.
    """

    ca_file: Path
    tunnel: Tunnel
    environs: Mapping[str, dict[str, str]]


@asynccontextmanager
async def stage(dsn: str, folder: Path, *, before_a_vault: bool = False, **settings: str) -> AsyncIterator[Stage]:
    """A server with two clients: one that may do everything, and one that may nothing.

    Args:
        dsn: a PostgreSQL that databases may be made in.
        before_a_vault: a second server stands behind it, in the part of Key Vault.
        settings: further ones of the server.
    """
    async with AsyncExitStack() as stack:
        behind = await _behind(stack, dsn, folder / "vault") if before_a_vault else {}
        front, secrets = await _server(
            stack,
            dsn,
            folder / "front",
            HOLDFAST_RESOURCE=f"https://{DOMAIN}",
            HOLDFAST_TLS_HOSTS=f"my.{DOMAIN},{STORE}",
            **behind,
            **settings,
        )
        references = {"latest": f"{VAULT}/secrets/seed", "pinned": f"{VAULT}/secrets/seed/{secrets['seed']}"}
        store = stack.enter_context(serving_store(folder / "front" / "tls" / "server.pem", references))
        ports = {f"my.{DOMAIN}:443": front.port, f"{STORE}:443": store}
        tunnel = await stack.enter_async_context(tunnelling(ports))
        environ = _environ(front, secrets, tunnel)
        environs = {ALONE: environ, BEFORE_A_VAULT: environ, **_by_themselves(environ)}
        yield Stage(ca_file=front.ca_file, tunnel=tunnel, environs=environs)


async def _behind(stack: AsyncExitStack, dsn: str, folder: Path) -> dict[str, str]:
    """A server in the part of Key Vault; returns the settings of one in front of it."""
    vault, secrets = await _server(stack, dsn, folder)
    url = f"https://127.0.0.1:{vault.port}"
    return {
        "AZURE_KEYVAULT_URL": url,
        "AZURE_AUTHORITY_HOST": url,
        "AZURE_TENANT_ID": vault.tenant,
        "AZURE_CLIENT_ID": CLIENT,
        "AZURE_CLIENT_SECRET": secrets[CLIENT],
        "HOLDFAST_KEYVAULT_CA": str(vault.ca_file),
    }


async def _server(stack: AsyncExitStack, dsn: str, folder: Path, **settings: str) -> tuple[Process, dict[str, str]]:
    """A running server on a database of its own; the secrets of its clients, and the versions of what it holds."""
    folder.mkdir()
    database = await stack.enter_async_context(empty_database(dsn))
    alone = Settings(database_url=database, encryption_key=KEY, data_dir=folder)
    async with create_secrets_service(alone, background=False) as service:
        secrets = {name: await service.add_client(name) for name in (CLIENT, STRANGER)}
        await service.identities.add(GENERATED)
        await service.access.assign_role(GENERATED, "admin", "*")
        secrets[GENERATED] = (await service.tokens.create(GENERATED)).token
        await service.grant_access("*", CLIENT, tuple(Permission))
        for name, value in SEEDS.items():
            secrets[name] = (await service.set_secret(name, value)).version_id
    return await stack.enter_async_context(serving(database, folder, logs=folder / "log", **settings)), secrets


def _environ(server: Process, secrets: dict[str, str], tunnel: Tunnel) -> dict[str, str]:
    return {
        "VAULT_URL": VAULT,
        "AZURE_AUTHORITY_HOST": VAULT,
        "AZURE_TENANT_ID": server.tenant,
        "AZURE_CLIENT_ID": CLIENT,
        "AZURE_CLIENT_SECRET": secrets[CLIENT],
        "STRANGER_ID": STRANGER,
        "STRANGER_SECRET": secrets[STRANGER],
        "HTTPS_PROXY": tunnel.url,
        "NO_PROXY": "127.0.0.1",
        "HOLDFAST_ADDR": f"https://127.0.0.1:{server.port}",
        "HOLDFAST_CA": str(server.ca_file),
        "HOLDFAST_TOKEN": secrets[GENERATED],
    }


def _by_themselves(environ: dict[str, str]) -> dict[str, dict[str, str]]:
    """What `docs/applications.md` has for each way to log in, and the addresses of vault and store."""
    common = {name: environ[name] for name in ("VAULT_URL", "HTTPS_PROXY")}
    common["STORE"] = f"Endpoint=https://{STORE};Id=any;Secret=YW55"
    client = {name: environ[name] for name in ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_AUTHORITY_HOST")}
    header = f"{environ['AZURE_CLIENT_ID']}:{environ['AZURE_CLIENT_SECRET']}"
    identity = {"IDENTITY_ENDPOINT": f"{VAULT}/msi/token", "IDENTITY_HEADER": header}
    return {ADFS: {**common, **client, "AZURE_TENANT_ID": "adfs"}, IDENTITY: {**common, **identity}}
