"""Which key vault stands behind a node, and how long it waits."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from holdfast.config import parsing
from holdfast.config.environment import variable

DEFAULT_API_VERSION: Final = "7.4"
"""Generally available since 2023 and served by every Azure cloud; nothing newer is made use of."""


@dataclass(frozen=True, kw_only=True, repr=False)
class VaultSettings:
    """Which key vault stands behind a node, and how long it waits."""

    keyvault_name: str | None = field(
        default=None,
        metadata=variable(
            "AZURE_KEYVAULT_NAME", "The key vault, by name. Without a vault, Holdfast stands alone.", parsing.vault_name
        ),
    )
    keyvault_url: str | None = field(
        default=None,
        metadata=variable(
            "AZURE_KEYVAULT_URL", "The key vault, by address (another cloud, a Holdfast server).", parsing.origin
        ),
    )
    keyvault_ca: Path | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_KEYVAULT_CA",
            "PEM file of further CAs to trust for the vault and its token endpoint.",
            parsing.file,
        ),
    )
    keyvault_api_version: str = field(
        default=DEFAULT_API_VERSION,
        metadata=variable(
            "HOLDFAST_KEYVAULT_API_VERSION",
            "The version of Key Vault's REST API that is spoken to it: for clouds and emulators that lag behind.",
            parsing.api_version,
            default=DEFAULT_API_VERSION,
        ),
    )
    read_patience: timedelta = field(
        default=timedelta(milliseconds=750),
        metadata=variable(
            "HOLDFAST_READ_PATIENCE_MS",
            "Milliseconds that a read waits for Key Vault before the mirror answers: 10 to 30000.",
            parsing.milliseconds(10, 30_000),
            default="750",
        ),
    )
    sync_interval: timedelta = field(
        default=timedelta(minutes=5),
        metadata=variable(
            "HOLDFAST_SYNC_INTERVAL",
            "Seconds between comparisons of the mirror with the whole vault: 1 to 86400.",
            parsing.seconds(1, 86_400),
            default="300",
        ),
    )

    @property
    def vault_url(self) -> str | None:
        """The vault's address without a trailing slash, or None: standalone."""
        if self.keyvault_name is not None:
            return f"https://{self.keyvault_name}.vault.azure.net"
        return self.keyvault_url
