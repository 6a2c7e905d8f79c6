"""What people read about clients and tools in `docs/moving-in.md`, with the versions that were tried."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from tests.conformance.clients import CLIENTS, ROOT

COLUMNS: Final = ("client or tool", "tried", "its two settings", "what works")
EVERYTHING: Final = "everything"


class Row(NamedTuple):
    """A client or tool. ``settings``: by which it reaches this server instead of Azure."""

    client: str
    tried: str
    settings: str
    works: str


_SDKS: Final = {
    "JavaScript": (
        "`@azure/keyvault-secrets`",
        "the URL; `authorityHost` with `disableInstanceDiscovery`",
        "everything, but dates after 2038-01-19: the client cuts them to 32 bits",
    ),
    "Go": (
        "Go `azsecrets`",
        "the URL; `Cloud.ActiveDirectoryAuthorityHost` with `DisableInstanceDiscovery`",
        EVERYTHING,
    ),
    "Java": (
        "`azure-security-keyvault-secrets`",
        "`vaultUrl`; `authorityHost` with `disableInstanceDiscovery()`",
        EVERYTHING,
    ),
    "az": (
        "`az keyvault secret`",
        "`az cloud register --endpoint-resource-manager`; `AZURE_CORE_INSTANCE_DISCOVERY=false`",
        EVERYTHING,
    ),
}

_BY_HAND: Final = (
    Row(
        "Ansible `azure.azcollection`",
        "by hand, 3.12.0",
        "`keyvault_uri`; `adfs_authority_url` with `disable_instance_discovery`",
        "its modules for secrets",
    ),
    Row(
        "Azure App Configuration (Key Vault references)",
        "by hand",
        "as JavaScript and Python",
        "latest and pinned references",
    ),
    Row(
        "Terraform `azurerm`",
        "by hand, its packages alone",
        "-",
        "not yet: it asks a resource manager for the vault",
    ),
    Row(
        "External Secrets Operator, CSI driver, Airflow, Spring Cloud Azure",
        "by hand, through a stand-in for `adfs`",
        "the URL; the server as authority, and `adfs` as tenant (`HOLDFAST_TENANT`)",
        "what they do with secrets",
    ),
    Row("Dapr", "by hand", "-", "no: names and authority of Azure are built in"),
    Row(
        ".NET `Azure.Security.KeyVault.Secrets`",
        "not tried",
        "the URL; `AuthorityHost` with `DisableInstanceDiscovery`",
        "-",
    ),
    Row("PowerShell `Az.KeyVault`", "not tried", "-", "-"),
)
"""What is not tried by `make conformance`: by hand once, or not at all."""


def rows() -> Iterator[Row]:
    """All of the table."""
    settings = "`vault_url`; `authority` with `disable_instance_discovery`"
    yield Row("Python `azure-keyvault-secrets`", f"`make test`, {_python()}", settings, EVERYTHING)
    for client in CLIENTS:
        name, settings, works = _SDKS[client.name]
        yield Row(name, f"`make conformance`, {client.version()}", settings, works)
    yield from _BY_HAND


def _python() -> str:
    pinned = (ROOT / "requirements" / "runtime.txt").read_text()
    found = re.search(r"(?m)^azure-keyvault-secrets==(\S+)", pinned)
    assert found is not None
    return found[1]
