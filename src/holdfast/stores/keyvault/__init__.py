"""Azure Key Vault as the primary store, and as one that wraps ring keys, through the official SDK."""

from typing import TYPE_CHECKING

from holdfast.domain.extras import needing
from holdfast.ports import Vault
from holdfast.stores.keyvault.access import Access
from holdfast.stores.keyvault.login import check

if TYPE_CHECKING:
    from holdfast.stores.keyvault.credential import NodeTokens
    from holdfast.stores.keyvault.wrapping import VaultKey


def open_key_vault(vault_url: str, access: Access) -> Vault:
    """Return the vault at ``vault_url``; call it in the event loop that will use it. Nothing is sent yet.

    Raises:
        ConfigurationError: something of the identity is missing, or a file of it is not usable.
        StartupError: the ``azure`` extra is not installed, or the CA file is not usable.
    """
    with needing("Key Vault", "azure", "azure"):
        from holdfast.stores.keyvault.store import KeyVaultStore  # noqa: PLC0415  # the extra is optional
    check(access.login)
    return KeyVaultStore(vault_url, access)


def open_vault_key(identifier: str, access: Access) -> "VaultKey":
    """Return the key of an identifier; likewise.

    Raises:
        ConfigurationError: something of the identity is missing, or a file of it is not usable.
        StartupError: the ``azure`` extra is not installed, or the CA file is not usable.
    """
    with needing("Key Vault", "azure", "azure"):
        from holdfast.stores.keyvault.wrapping import VaultKey  # noqa: PLC0415  # the extra is optional
    check(access.login)
    return VaultKey(identifier, access)


def open_tokens(access: Access, purpose: str) -> "NodeTokens":
    """Return the tokens of the node's own identity, no vault needed; call it in the event loop that will use it.

    ``purpose``: what they are for, as errors are to say it: "PostgreSQL".

    Raises:
        ConfigurationError: something of the identity is missing, or a file of it is not usable.
        StartupError: the ``azure`` extra is not installed, or the CA file is not usable.
    """
    with needing(f"A token of Microsoft Entra ID for {purpose}", "azure", "azure"):
        from holdfast.stores.keyvault.credential import NodeTokens  # noqa: PLC0415  # the extra is optional
    check(access.login)
    return NodeTokens(access, purpose)
