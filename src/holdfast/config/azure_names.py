"""Names of Azure's: whose they are, and when a server may go by one."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

_DOMAINS: Final = (
    "azure.net",
    "azure.cn",
    "usgovcloudapi.net",
    "microsoftazure.de",
    "azure.com",
    "microsoftonline.com",
    "microsoftonline.us",
    "chinacloudapi.cn",
    "windows.net",
)
"""Where Microsoft's clouds live."""

_OF_CUSTOMERS: Final = (
    "cloudapp.azure.com",
    "cloudapp.chinacloudapi.cn",
    "cloudapp.usgovcloudapi.net",
    "cloudapp.microsoftazure.de",
)
"""Domains in there whose names customers give to machines of their own (the DNS label of a public IP address)."""

VAULT_DOMAINS: Final = frozenset(
    {"vault.azure.net", "vault.azure.cn", "vault.usgovcloudapi.net", "vault.microsoftazure.de"}
)
"""The resources of Azure's own vaults, by cloud."""


def is_azures(host: str) -> bool:
    """Whether a host name in lower case, without a port, can only be a service of Azure's."""
    name = host.removesuffix(".")
    return _is_under(name, _DOMAINS) and not _is_under(name, _OF_CUSTOMERS)


def is_azures_url(url: str | None) -> bool:
    """The same of an address; one that is not given, or is none, is no one's."""
    try:
        return is_azures(urlsplit(url or "").hostname or "")
    except ValueError:
        return False


def resource_faults(resource: str | None, azure_names: bool) -> Iterator[str]:
    """Yield what is wrong with a resource that is Azure's, where the settings do not ask for just that."""
    if not is_azures_url(resource) or (azure_names and urlsplit(resource).hostname in VAULT_DOMAINS):
        return
    yield (
        "HOLDFAST_RESOURCE names a domain of Azure's: choose one of your own, such as https://vault.example.com. "
        "Only clients that know no other names need https://vault.azure.net, behind DNS of your own that leads it "
        "here: for that, set HOLDFAST_AZURE_NAMES=true as well, and read what SECURITY.md says of it."
    )


def _is_under(name: str, domains: tuple[str, ...]) -> bool:
    return any(name == domain or name.endswith("." + domain) for domain in domains)
