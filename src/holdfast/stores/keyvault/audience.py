"""For whom a token may be asked: a challenge names a resource, and whoever answers at the vault's address writes it."""

import re
from typing import Final
from urllib.parse import urlsplit

from holdfast.config.azure_names import VAULT_DOMAINS

_VAULTS: Final = VAULT_DOMAINS | {"managedhsm.azure.net", "managedhsm.azure.cn", "managedhsm.usgovcloudapi.net"}
"""Resources of Key Vault in Microsoft's clouds. A vault behind a private name or a gateway asks for one of these."""

_HOST: Final = re.compile(r"[0-9a-z.-]{1,253}", re.ASCII)


def foreign_resource(scope: str, address: str) -> str | None:
    """Return the host of a scope whose token the vault at ``address`` has no business with; None for one that it has.

    Its own are Key Vault's in Microsoft's clouds, its very host, and the domains above it. Anything else (Azure's
    management, say) would hand our identity to whoever stands at that address.
    """
    try:
        resource, host = urlsplit(scope).hostname or "", urlsplit(address).hostname or ""
    except ValueError:  # brackets that hold no IPv6 address
        return "an unreadable address"
    if resource and (resource in _VAULTS or resource == host or host.endswith(f".{resource}")):
        return None
    return resource if _HOST.fullmatch(resource) else "an unreadable address"


def host_of(url: str) -> str:
    """The host of an address in lower case, without its port; "" if there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # brackets that hold no IPv6 address
        return ""


def is_azure(url: str) -> bool:
    """Whether an address is one of Azure's own, whose challenge must name its own domain."""
    return host_of(url).endswith(tuple(f".{each}" for each in _VAULTS))
