"""The Key Vault of the settings, the way to it, and the node's own identity at Microsoft Entra ID."""

from typing import TYPE_CHECKING

from holdfast.config import Settings
from holdfast.ports import Vault
from holdfast.stores.keyvault import open_key_vault, open_tokens
from holdfast.stores.keyvault.access import Access
from holdfast.stores.keyvault.login import check

if TYPE_CHECKING:
    from holdfast.stores.keyvault.credential import NodeTokens


def open_vault(settings: Settings) -> Vault:
    """Return the vault of the settings; nothing is sent yet.

    Raises:
        StartupError: the client is not installed, or the CA file not usable.
        ConfigurationError: HTTPS_PROXY names no proxy that can be used, or a file of the identity is not usable.
    """
    return open_key_vault(settings.vault_url or "", access_of(settings))


def node_tokens(settings: Settings, purpose: str) -> "NodeTokens":
    """Return tokens of the node's own identity for any scope, an asynchronous credential of azure-core; close it.

    ``purpose``: what they are for, as errors are to say it. Nothing is sent yet, and no vault needs to be configured.

    Raises:
        StartupError: the client is not installed, or the CA file not usable.
        ConfigurationError: HTTPS_PROXY names no proxy that can be used, or a file of the identity is not usable.
    """
    return open_tokens(access_of(settings), purpose)


def check_identity(settings: Settings) -> None:
    """See that the node's own identity can be used, where there is a vault to use it at, before anything is opened.

    Raises:
        ConfigurationError: something that it needs is missing, or a file of it is not usable.
    """
    if settings.vault_url is not None or settings.azure_identity is not None:
        check(settings)


def access_of(settings: Settings) -> Access:
    """Return as whom, and on which way, a node goes to Key Vault.

    Raises:
        ConfigurationError: HTTPS_PROXY names no proxy that can be used.
    """
    return Access(
        login=settings,
        ca_file=settings.keyvault_ca,
        proxy=settings.proxy,
        no_proxy=settings.no_proxy,
        api_version=settings.keyvault_api_version,
    )
