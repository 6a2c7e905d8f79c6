"""What clients are tried against: ``holdfast serve`` over TLS under a name of its own, alone or before a vault."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from holdfast import Settings, create_secrets_service
from holdfast.domain.policy import Permission
from tests.support.postgres import empty_database
from tests.support.serving import Process, serving
from tests.support.tunnel import Tunnel, tunnelling
from tests.support.world import KEY

DOMAIN: Final = "vault.holdfast.test"
"""The resource of the server's tokens. No name under it is known to any resolver: the tunnel leads there."""

VAULT: Final = f"https://my.{DOMAIN}"
CLIENT, STRANGER, GENERATED = "conformance", "stranger", "generated"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A running server. ``environ``: what a client's process is given, and nothing else."""

    ca_file: Path
    tunnel: Tunnel
    environ: dict[str, str]


@asynccontextmanager
async def stage(dsn: str, folder: Path, *, before_a_vault: bool) -> AsyncIterator[Stage]:
    """A server with two clients: one that may do everything, and one that may nothing.

    Args:
        dsn: a PostgreSQL that databases may be made in.
        before_a_vault: a second server stands behind it, in the part of Key Vault.
    """
    async with AsyncExitStack() as stack:
        behind = await _behind(stack, dsn, folder / "vault") if before_a_vault else {}
        front, secrets = await _server(
            stack,
            dsn,
            folder / "front",
            HOLDFAST_RESOURCE=f"https://{DOMAIN}",
            HOLDFAST_TLS_HOSTS=f"my.{DOMAIN}",
            **behind,
        )
        tunnel = await stack.enter_async_context(tunnelling({f"my.{DOMAIN}:443": front.port}))
        yield Stage(ca_file=front.ca_file, tunnel=tunnel, environ=_environ(front, secrets, tunnel))


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
    """A running server on a database of its own, and the secrets of its clients."""
    folder.mkdir()
    database = await stack.enter_async_context(empty_database(dsn))
    alone = Settings(database_url=database, encryption_key=KEY, data_dir=folder)
    async with create_secrets_service(alone, background=False) as service:
        secrets = {name: await service.add_client(name) for name in (CLIENT, STRANGER)}
        await service.identities.add(GENERATED)
        await service.access.assign_role(GENERATED, "admin", "*")
        secrets[GENERATED] = (await service.tokens.create(GENERATED)).token
        await service.grant_access("*", CLIENT, tuple(Permission))
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
