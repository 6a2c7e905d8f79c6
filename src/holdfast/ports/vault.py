"""Key Vault, or whatever is the primary."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from holdfast.domain.intent import Marker
from holdfast.domain.names import SecretName
from holdfast.domain.secret import Attributes, SecretValue


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultVersion:
    """One version as the vault tells it. ``tags`` are as stored there, our marker included.

    ``name`` is in the vault's casing. ``value`` is None in listings. ``deleted_at`` and ``scheduled_purge_at``, in
    UTC, are told of deleted secrets alone, and not by every vault.
    """

    name: str
    vault_version_id: str
    attributes: Attributes
    created_at: datetime
    updated_at: datetime
    value: SecretValue | None = None
    deleted_at: datetime | None = None
    scheduled_purge_at: datetime | None = None

    @property
    def marker(self) -> Marker | None:
        """The marker of the Holdfast write that made this version, or None."""
        return Marker.of_tags(self.attributes.tags)


@dataclass(frozen=True, slots=True, kw_only=True)
class OddEntry:
    """An entry of a listing that cannot be read, or not be kept here; the other entries say nothing of it.

    ``name``: in the vault's casing where it is a secret's name; else what can be shown of it, printable and at most
    127 characters long, "" where there is nothing. ``reason``: why, in our words, as the end of "it cannot be read: ".
    """

    name: str
    reason: str


class Vault(Protocol):
    """The primary store. Each call is one attempt: no retries inside, no waiting for a transition to settle.

    Raises answers about the secret: ``SecretNotFound``, ``SecretDisabled``, ``SecretDeleted`` (deleted but
    recoverable), ``TransitionPending`` (being deleted, recovered or purged), ``VaultRefusal`` of a change,
    ``NameRefused`` and ``NameUnavailable``. Or ``BackendUnavailable`` and its kinds: ``BackendRefused`` (401 and 403
    to our identity), ``Throttled``, ``OutcomeUnknown`` (a change was sent, and its answer lost). Those are about the
    vault where they are ``certain``; else they may as well be about the one secret, which one attempt cannot tell.

    A listing yields an ``OddEntry`` for each entry that is not what it should be, and goes on.
    """

    async def get(self, name: SecretName, vault_version_id: str | None = None) -> VaultVersion:
        """Return the newest or the given version with its value."""

    async def set(self, name: str, value: SecretValue, attributes: Attributes, marker: Marker | None) -> VaultVersion:
        """Create a version that carries ``marker``, if there is one, among its tags."""

    async def update(
        self, name: SecretName, vault_version_id: str, attributes: Attributes, marker: Marker | None
    ) -> None:
        """Replace the attributes of a version; the marker tag is kept."""

    async def delete(self, name: SecretName) -> None:
        """Soft-delete; returns when the vault has accepted it."""

    async def recover(self, name: SecretName) -> None:
        """Bring a deleted secret back; returns when the vault has accepted it."""

    async def purge(self, name: SecretName) -> None:
        """Destroy a deleted secret for good; returns when the vault has accepted it."""

    async def touch(self, name: SecretName) -> None:
        """Ask for a change that changes nothing, of a version that cannot exist: does the vault take changes from us?

        Returns when it would have, with its 404 for that version.
        """

    async def is_deleted(self, name: SecretName) -> bool:
        """Whether the vault confirms that the name is soft-deleted."""

    async def deleted(self, name: SecretName) -> VaultVersion:
        """The newest version of a soft-deleted secret, without its value; ``SecretNotFound`` if it is not deleted."""

    def versions(self, name: SecretName) -> AsyncGenerator[VaultVersion | OddEntry, None]:
        """All versions of a secret in no particular order, without values; nothing for an unknown name."""

    def secrets(self) -> AsyncGenerator[VaultVersion | OddEntry, None]:
        """The newest version of every secret, without values and with ``vault_version_id`` ""."""

    def deleted_secrets(self) -> AsyncGenerator[VaultVersion | OddEntry, None]:
        """The newest version of every soft-deleted secret, likewise."""

    def reconnect(self) -> None:
        """Close the connections that are open and idle: the other side may have forgotten them."""

    async def aclose(self) -> None:
        """Close connections and credentials."""
