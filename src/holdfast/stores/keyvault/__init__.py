"""Azure Key Vault as the primary store, and as one that wraps ring keys, through the official SDK."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.errors import StartupError
from holdfast.ports import Vault

if TYPE_CHECKING:
    from holdfast.stores.keyvault.wrapping import VaultKey

_EXTRA = frozenset({"azure"})


def open_key_vault(
    vault_url: str,
    *,
    tenant_id: str | None = None,
    client_id: str | None = None,
    client_secret: str | None = None,
    authority: str | None = None,
    ca_file: Path | None = None,
    connect_timeout_s: float = 3.0,
    read_timeout_s: float = 10.0,
) -> Vault:
    """Return the vault at ``vault_url``; call it in the event loop that will use it. Nothing is sent yet.

    With tenant, client and secret it logs in as that service principal; else by managed identity or whatever else
    ``DefaultAzureCredential`` finds, ``client_id`` naming a user-assigned identity. ``authority`` is the host of the
    token endpoint; ``ca_file`` is trusted besides the system's certificate authorities. The time-outs are seconds
    per connection and per silence of the server: the last resort behind the caller's own.

    Raises:
        StartupError: the ``azure`` extra is not installed, or the CA file is not usable.
    """
    try:
        from holdfast.stores.keyvault.store import KeyVaultStore  # noqa: PLC0415  # the extra is optional
    except ImportError as error:
        if not _of_extra(error):
            raise
        raise _missing(error) from error
    return KeyVaultStore(
        vault_url,
        tenant_id=tenant_id,
        client_id=client_id,
        client_secret=client_secret,
        authority=authority,
        ca_file=ca_file,
        connect_timeout_s=connect_timeout_s,
        read_timeout_s=read_timeout_s,
    )


def open_vault_key(identifier: str, **access: Any) -> "VaultKey":
    """Return the key of an identifier, with the arguments of ``open_key_vault`` that say who asks; likewise.

    Raises:
        StartupError: the ``azure`` extra is not installed, or the CA file is not usable.
    """
    try:
        from holdfast.stores.keyvault.wrapping import VaultKey  # noqa: PLC0415  # the extra is optional
    except ImportError as error:
        if not _of_extra(error):
            raise
        raise _missing(error) from error
    return VaultKey(identifier, **access)


def _of_extra(error: ImportError) -> bool:
    return (error.name or "").partition(".")[0] in _EXTRA


def _missing(error: ImportError) -> StartupError:
    return StartupError(
        f"Key Vault needs the Python package {error.name!r}, which is not installed: pip install 'holdfast[azure]'."
    )
