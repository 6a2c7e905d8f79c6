"""Settings that pydantic reads from a vault. Prints a line for each thing that works."""

import os

from azure.identity import DefaultAzureCredential
from pydantic_settings import AzureKeyVaultSettingsSource, BaseSettings, PydanticBaseSettingsSource


class Settings(BaseSettings):
    """``seed`` is in the vault; ``other`` is nowhere."""

    seed: str
    other: str = "a default"

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], **_: PydanticBaseSettingsSource
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the vault, and nothing else."""
        return (AzureKeyVaultSettingsSource(settings_cls, os.environ["VAULT_URL"], DefaultAzureCredential()),)


settings = Settings()
assert settings.seed == "a value from the vault", settings
print("ok reads")
assert settings.other == "a default", settings
print("ok misses")
