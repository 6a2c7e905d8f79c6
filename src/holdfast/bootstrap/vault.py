"""The Key Vault of the settings, and the way to it."""

from holdfast.config import Settings
from holdfast.ports import Vault
from holdfast.stores.keyvault import open_key_vault
from holdfast.stores.keyvault.access import Access


def open_vault(settings: Settings) -> Vault:
    """Return the vault of the settings; nothing is sent yet.

    Raises:
        StartupError: the client is not installed, or the CA file not usable.
        ConfigurationError: HTTPS_PROXY names no proxy that can be used.
    """
    return open_key_vault(settings.vault_url or "", access_of(settings))


def access_of(settings: Settings) -> Access:
    """Return as whom, and on which way, a node goes to Key Vault.

    Raises:
        ConfigurationError: HTTPS_PROXY names no proxy that can be used.
    """
    return Access(
        tenant_id=settings.tenant_id,
        client_id=settings.client_id,
        client_secret=settings.client_secret,
        authority=settings.authority_host,
        ca_file=settings.keyvault_ca,
        proxy=settings.proxy,
        no_proxy=settings.no_proxy,
        api_version=settings.keyvault_api_version,
    )
