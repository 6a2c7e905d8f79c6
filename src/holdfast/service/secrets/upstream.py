"""Key Vault as a read sees it."""

from dataclasses import dataclass
from typing import Final, Protocol

from holdfast.domain.lifecycle import not_found
from holdfast.domain.names import SecretName
from holdfast.errors import HoldfastError, SecretDisabled, SecretNotFound
from holdfast.ports import VaultVersion
from holdfast.resilience.events import Event, Log
from holdfast.service.secrets.numbering import Histories

_log: Final = Log(__name__)


class VaultReader(Protocol):
    """What a read needs of Key Vault."""

    async def read_once(self, name: SecretName, vault_version_id: str | None = None) -> VaultVersion:
        """One attempt within the patience."""

    async def is_deleted(self, name: SecretName) -> bool:
        """Whether the vault confirms that the name is soft-deleted; one attempt within the patience."""

    async def read_patiently(self, name: SecretName, vault_version_id: str | None = None) -> VaultVersion:
        """The full retry policy."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """Key Vault, and how the mirror follows it."""

    vault: VaultReader
    histories: Histories


async def told_by(vault: VaultReader, name: SecretName) -> VaultVersion | None:
    """What Key Vault says; None if it does not answer, or merely lacks the secret.

    Raises:
        SecretDisabled: it is disabled there.
        SecretNotFound: it is deleted there.
    """
    try:
        return await vault.read_once(name)
    except SecretDisabled:
        raise
    except SecretNotFound as missing:
        if await _is_confirmed(vault, name):
            raise not_found(name) from missing
    except HoldfastError as error:
        _log(Event.NOBODY_ANSWERS, name=name, reason=error)
    return None


async def _is_confirmed(vault: VaultReader, name: SecretName) -> bool:
    """Whether Key Vault confirms a deletion; not if it does not answer any more."""
    try:
        return await vault.is_deleted(name)
    except HoldfastError:
        return False
