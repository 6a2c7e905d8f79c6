"""One secret as Key Vault shows it."""

from dataclasses import dataclass, replace
from typing import Final

from msgspec import structs

from holdfast.domain.intent import Intent, unmarked
from holdfast.domain.names import SecretName
from holdfast.domain.secret import Attributes, SecretValue
from holdfast.errors import BackendRefused, NameRefused, NameUnavailable, SecretDisabled, SecretNotFound
from holdfast.ports import Journal, OddEntry, VaultVersion
from holdfast.resilience.events import Log
from holdfast.service.vault.primary import Primary

_log: Final = Log(__name__)


@dataclass(frozen=True, slots=True)
class Sighting:
    """All versions, the newest last and with its value, if it is enabled; none when there is no live secret.

    Where we may not list versions, the newest is all that is seen. ``gone``: the newest version of a deleted secret,
    which Key Vault shows without its value.
    """

    versions: tuple[VaultVersion, ...] = ()
    deleted: bool = False
    gone: VaultVersion | None = None

    @property
    def newest(self) -> VaultVersion:
        """What a read without version answers."""
        return self.versions[-1]


async def sight(primary: Primary, name: SecretName, *, background: bool = True) -> Sighting:
    """Look at a secret and its versions.

    Raises:
        BackendUnavailable: it cannot be seen now.
    """
    try:
        newest = await newest_disclosed(primary, name, background=background)
    except SecretNotFound:
        return await _sight_deleted(primary, name, background=background)
    versions = in_order(await _listed(primary, name, newest), newest)
    if versions and versions[-1].value is None:
        versions = (*versions[:-1], await _disclosed(primary, name, versions[-1]))
    return Sighting(versions)


async def _sight_deleted(primary: Primary, name: SecretName, *, background: bool) -> Sighting:
    """Look for a secret among the deleted ones."""
    try:
        gone = await primary.read(name, lambda vault: vault.deleted(name), background=background)
    except SecretNotFound:
        return Sighting()
    except NameUnavailable:  # what is deleted is not to be served, whatever else is told of it
        return Sighting(deleted=await primary.read(name, lambda vault: vault.is_deleted(name), background=background))
    return Sighting(deleted=True, gone=gone)


async def _listed(primary: Primary, name: SecretName, newest: VaultVersion | None) -> list[VaultVersion]:
    """What can be read of the list of versions; only the newest where we may read it, but not list."""
    try:
        entries = [entry async for entry in primary.versions(name)]
    except (NameRefused, BackendRefused):
        if newest is None:
            raise
        return [newest]
    odd = [entry.reason for entry in entries if isinstance(entry, OddEntry)]
    if odd:
        primary.left_out.failed(name, f"{len(odd)}, the first because {odd[0]}")
    else:
        primary.left_out.works(name)
    return [entry for entry in entries if isinstance(entry, VaultVersion)]


async def _disclosed(primary: Primary, name: SecretName, version: VaultVersion) -> VaultVersion:
    return replace(version, value=await disclose(primary, name, version))


async def all_versions(primary: Primary, name: SecretName) -> list[VaultVersion]:
    """Return what Key Vault lists of a secret.

    Raises:
        NameUnavailable: one of them cannot be read, so that no one knows their order.
        BackendUnavailable: they cannot be seen now.
    """
    return [_readable(name, entry) async for entry in primary.versions(name)]


def _readable(name: SecretName, entry: VaultVersion | OddEntry) -> VaultVersion:
    if isinstance(entry, OddEntry):
        raise NameUnavailable(f"Key Vault lists a version of {name!r} that cannot be read: {entry.reason}.")
    return entry


async def newest_disclosed(primary: Primary, name: SecretName, *, background: bool) -> VaultVersion | None:
    """Return the newest version with its value; None when it is disabled.

    Raises:
        SecretNotFound: there is no live secret of this name.
    """
    try:
        return await primary.read(name, lambda vault: vault.get(name), background=background)
    except SecretDisabled:
        return None


async def disclose(primary: Primary, name: SecretName, version: VaultVersion) -> SecretValue | None:
    """Return the value of a version; None when it is disabled."""
    if not version.attributes.enabled:
        return None
    try:
        seen = await primary.read(name, lambda vault: vault.get(name, version.vault_version_id), background=True)
    except SecretDisabled:
        return None
    return seen.value


def in_order(listed: list[VaultVersion], newest: VaultVersion | None) -> tuple[VaultVersion, ...]:
    """Sort versions by age. Key Vault counts whole seconds, so within one only ``newest`` tells which came last.

    Without it the newest is a disabled one, so among equals those come last.
    """
    ordered = sorted(
        listed, key=lambda version: (version.created_at, not version.attributes.enabled, version.vault_version_id)
    )
    if newest is None or (ordered and ordered[-1].created_at > newest.created_at):
        return tuple(ordered)
    others = [version for version in ordered if version.vault_version_id != newest.vault_version_id]
    return (*others, newest)


def own_attributes(attributes: Attributes) -> Attributes:
    """Attributes without our marker, at Key Vault's resolution: what can be compared, and what users see."""
    return structs.replace(
        unmarked(attributes),
        not_before=attributes.not_before and attributes.not_before.replace(microsecond=0),
        expires_at=attributes.expires_at and attributes.expires_at.replace(microsecond=0),
        content_type=attributes.content_type or None,
    )


def is_ours(version: VaultVersion, intent: Intent, value: SecretValue) -> bool:
    """Whether an earlier attempt made this version, rather than somebody who copied its tags."""
    if version.marker is None or version.marker.intent_id != intent.id or version.value is None:
        return False
    return version.value.reveal() == value.reveal()


def may_be_ours(version: VaultVersion, intent: Intent) -> bool:
    """Whether an intent that goes without a marker may have made this version. Key Vault counts whole seconds."""
    if version.marker is not None or intent.attributes is None or intent.created_at is None:
        return False
    since = intent.created_at.replace(microsecond=0)
    return version.created_at >= since and own_attributes(version.attributes) == own_attributes(intent.attributes)


async def came_late(newest: VaultVersion | None, purge: Intent, journal: Journal) -> bool:
    """Whether a purge made the deletion of its life void, or what is there was made for that life after it.

    A recovery makes no version. Key Vault counts whole seconds.
    """
    if await journal.is_deletion_void(purge.incarnation):
        return True
    marker = newest.marker if newest is not None else None
    if newest is None or marker is None or purge.created_at is None:
        return False
    made = (await journal.find([marker.intent_id])).get(marker.intent_id)
    of_this_life = made is not None and made.incarnation == purge.incarnation
    return of_this_life and newest.created_at >= purge.created_at.replace(microsecond=0)
