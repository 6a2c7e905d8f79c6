"""What people read about clients and tools in `docs/clients.md`, with the versions that were tried."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from tests.conformance.clients import CLIENTS, ROOT, locked
from tests.conformance.consumers import CONSUMERS

COLUMNS: Final = ("client or tool", "tried", "settings to copy", "what does not work, and whose fault it is")
NOTHING: Final = "-"


class Row(NamedTuple):
    """A client or tool. ``settings``: by which it reaches this server, not Azure; ``lacks``: what does not work."""

    client: str
    tried: str
    settings: str
    lacks: str = NOTHING


_IN_CODE: Final = "without [`adfs`](applications.md#the-tenant-adfs), in code, "
_BY_ITSELF: Final = "either [way](applications.md); the address of the vault"

_TRIED: Final[Mapping[str, tuple[str, str, str]]] = MappingProxyType(
    {
        "JavaScript": (
            "`@azure/keyvault-secrets`",
            f"`vaultUrl`; {_IN_CODE}`authorityHost` with `disableInstanceDiscovery`",
            "dates after 2038-01-19: the client cuts them to 32 bits",
        ),
        "Go": (
            "Go `azsecrets`",
            f"the URL; {_IN_CODE}`Cloud.ActiveDirectoryAuthorityHost` with `DisableInstanceDiscovery`",
            NOTHING,
        ),
        "Java": (
            "Java `azure-security-keyvault-secrets`",
            f"`vaultUrl`; {_IN_CODE}`authorityHost` with `disableInstanceDiscovery()`",
            NOTHING,
        ),
        "az": (
            "[`az keyvault secret`](#az)",
            "`az cloud register --endpoint-resource-manager`; `az config set core.instance_discovery=false`",
            "`az keyvault create` and what else changes a vault itself: this resource manager is read-only",
        ),
        "DefaultAzureCredential-Python": ("`DefaultAzureCredential`, Python", _BY_ITSELF, NOTHING),
        "DefaultAzureCredential-JavaScript": ("`DefaultAzureCredential`, JavaScript", _BY_ITSELF, NOTHING),
        "DefaultAzureCredential-Go": ("`DefaultAzureCredential`, Go", _BY_ITSELF, NOTHING),
        "pydantic-settings": ("`AzureKeyVaultSettingsSource` of pydantic-settings", _BY_ITSELF, NOTHING),
        "App-Configuration-Python": (
            "App Configuration's provider for Python, its references to secrets",
            "either [way](applications.md); the vault's address in the references",
            NOTHING,
        ),
        "App-Configuration-JavaScript": (
            "App Configuration's provider for JavaScript, likewise",
            "either [way](applications.md); the vault's address in the references",
            NOTHING,
        ),
        "Terraform": (
            "[Terraform's `azurerm`](#terraform), secrets: what it does before, by its own package",
            "`metadata_host`, `tenant_id`, `subscription_id`, `client_id`, `client_secret`",
            "to make or change a vault: this resource manager is read-only. Its further calls: by hand, of August 2026",
        ),
        "Spring": (
            "[Spring Cloud Azure](#spring-cloud-azure), its property source",
            "either [way](applications.md)",
            NOTHING,
        ),
        "Airflow": (
            "[Airflow's `AzureKeyVaultBackend`](#airflow)",
            "either [way](applications.md); `vault_url`",
            NOTHING,
        ),
        "Ansible": (
            "[Ansible's `azure.azcollection`](#ansible), modules and lookup",
            "`AZURE_ADFS_AUTHORITY_URL`, `AZURE_TENANT=adfs`, `AZURE_CLIENT_ID`, `AZURE_SECRET`",
            "a managed identity for its lookup: it knows only the one of virtual machines, at an address of the link",
        ),
    }
)
"""By the name of what `make conformance` tries: what it is, its settings, and what does not work."""

_BY_HAND: Final = (
    Row(
        "[External Secrets Operator](#external-secrets-operator), provider `azurekv`",
        "by hand, of August 2026: its code built with Go, 30 of 30 checks each way, by stand-ins for the two ways",
        "`tenantId: adfs` with `useAzureSDK: true`, or `authType: ManagedIdentity`",
        "a service principal without `useAzureSDK`: its former library has Azure's authority built in",
    ),
    Row(
        "[Secrets Store CSI driver](#secrets-store-csi-driver), provider `azure`",
        "by hand, of June 2026: its code built with Go, 9 of 9 checks each way, by the same stand-ins",
        '`cloudName: AzureStackCloud`, `cloudEnvFileName`, `tenantID: "adfs"`; or `useVMManagedIdentity`',
        NOTHING,
    ),
    Row(
        "Dapr's `secretstores.azure.keyvault`",
        "by hand, of August 2026, by a stand-in for the managed identity",
        "[Azure's own names](deployment.md#in-front-of-them), and a managed identity",
        "any other name: Dapr knows Azure's domains only",
    ),
    Row(
        ".NET `Azure.Security.KeyVault.Secrets`",
        "not tried; by its source",
        f"`vaultUri`; {_IN_CODE}`AuthorityHost` with `DisableInstanceDiscovery`",
        NOTHING,
    ),
    Row("PowerShell `Az.KeyVault`", "not tried", NOTHING, NOTHING),
    Row(
        "SOPS, dynaconf",
        "read",
        NOTHING,
        "SOPS uses *keys* of a vault, which are not served; dynaconf has no reader for it",
    ),
)
"""What is not tried by `make conformance`: its code is on no registry that tests can reach, or it has no use here."""


def rows() -> Iterator[Row]:
    """All of the table."""
    settings = f"`vault_url`; {_IN_CODE}`authority` with `disable_instance_discovery`"
    python = locked("azure-keyvault-secrets", ROOT / "requirements" / "runtime.txt")
    yield Row("Python `azure-keyvault-secrets`", f"`make test`, {python}", settings)
    for client in (*CLIENTS, *CONSUMERS):
        name, settings, lacks = _TRIED[client.name]
        yield Row(name, f"`make conformance`, {client.version()}", settings, lacks)
    yield from _BY_HAND
