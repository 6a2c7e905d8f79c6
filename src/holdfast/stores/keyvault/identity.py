"""The SDK's credential for the node's identity: exactly one kind, and no chain that tries what it finds."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from azure.core.credentials import AccessTokenInfo, TokenRequestOptions
from azure.identity.aio import (
    AzureCliCredential,
    AzureDeveloperCliCredential,
    AzurePowerShellCredential,
    CertificateCredential,
    ChainedTokenCredential,
    ClientAssertionCredential,
    ClientSecretCredential,
    ManagedIdentityCredential,
)

from holdfast.config.azure import AzureSettings, Identity
from holdfast.stores.keyvault.login import assertion_of, certificate_of, check, secret_of

MICROSOFT_AUTHORITIES: Final = frozenset(
    {
        "login.microsoftonline.com",
        "login.microsoftonline.us",
        "login.chinacloudapi.cn",
        "login.partner.microsoftonline.cn",
    }
)
"""Hosts of Microsoft's own token endpoints, whose instance discovery works (azure-identity's AzureAuthorityHosts)."""


class Credential(Protocol):
    """What the SDK's asynchronous credentials have in common."""

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """Return a token for the scopes."""

    async def close(self) -> None:
        """Close connections."""


def open_credential(login: AzureSettings, **pipeline: Any) -> Credential:
    """Return the SDK's credential for an identity. ``pipeline``: its transport and further SDK options.

    Raises:
        ConfigurationError: something that it needs is missing, or a file of it is not usable.
    """
    check(login)
    return _OPENERS[login.identity](login, {"retry_total": 0, **pipeline})


def _with_secret(login: AzureSettings, options: dict[str, Any]) -> Credential:
    return ClientSecretCredential(client_secret=secret_of(login), **_client(login), **options)


def _with_certificate(login: AzureSettings, options: dict[str, Any]) -> Credential:
    data, _ = certificate_of(login)
    return CertificateCredential(
        certificate_data=data,
        password=login.client_certificate_password,
        send_certificate_chain=login.send_certificate_chain,
        **_client(login),
        **options,
    )


def _federated(login: AzureSettings, options: dict[str, Any]) -> Credential:
    return ClientAssertionCredential(func=lambda: assertion_of(login), **_client(login), **options)


def _managed(login: AzureSettings, options: dict[str, Any]) -> Credential:
    # The SDK's class would take a federated token of the environment for a managed identity. Choosing
    # "managed" on AKS means the machine's own, so that is said as the SDK's own chain says it.
    return ManagedIdentityCredential(client_id=login.client_id, _exclude_workload_identity_credential=True, **options)


def _developer(login: AzureSettings, _: dict[str, Any]) -> Credential:
    tenant = login.tenant_id or ""
    return ChainedTokenCredential(
        AzureCliCredential(tenant_id=tenant),
        AzureDeveloperCliCredential(tenant_id=tenant),
        AzurePowerShellCredential(tenant_id=tenant),
    )


_OPENERS: Final[Mapping[Identity, Callable[[AzureSettings, dict[str, Any]], Credential]]] = {
    Identity.SECRET: _with_secret,
    Identity.CERTIFICATE: _with_certificate,
    Identity.FEDERATED: _federated,
    Identity.MANAGED: _managed,
    Identity.DEVELOPER: _developer,
}


def _client(login: AzureSettings) -> dict[str, Any]:
    client = {"tenant_id": login.tenant_id, "client_id": login.client_id}
    if not login.authority_host:
        return client
    known = _host(login.authority_host) in MICROSOFT_AUTHORITIES
    return {**client, "authority": login.authority_host, "disable_instance_discovery": not known}


def _host(authority: str) -> str | None:
    return urlsplit(authority if "//" in authority else f"//{authority}").hostname
