"""Another Key Vault as a source, through the official SDK."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

from holdfast.config import SourceSettings
from holdfast.domain.intent import unmarked
from holdfast.domain.names import SecretName, canonical_name
from holdfast.domain.secret import Attributes
from holdfast.errors import BackendUnavailable, SecretDisabled, SecretNotFound
from holdfast.importing.items import Content, Item
from holdfast.importing.patience import patiently
from holdfast.ports import OddEntry, Vault, VaultVersion
from holdfast.resilience.clock import Timer
from holdfast.stores.keyvault import open_key_vault
from holdfast.stores.keyvault.access import Access


@asynccontextmanager
async def open_source(address: str, source: SourceSettings) -> AsyncIterator[Vault]:
    """Open a vault to read it.

    Raises:
        ConfigurationError: something of the identity is missing, or a file of it is not usable.
        StartupError: the ``azure`` extra is not installed, or the CA file is not usable.
    """
    access = Access(
        login=source.login(),
        ca_file=source.ca_file,
        proxy=source.proxy,
        no_proxy=source.no_proxy,
    )
    vault = open_key_vault(address, access)
    try:
        yield vault
    finally:
        await vault.aclose()


class KeyVaultSource:
    """The secrets of a vault, with their attributes; the newest version of each, or all of them, oldest first."""

    def __init__(self, vault: Vault, address: str, clock: Timer, *, all_versions: bool = False) -> None:
        self._vault, self._address, self._clock, self._all_versions = vault, address, clock, all_versions

    async def items(self) -> AsyncIterator[Item]:
        """Yield them as they are listed.

        Raises:
            BackendUnavailable: the vault does not answer, or refuses our identity.
        """
        async for listed in self._vault.secrets():
            if isinstance(listed, OddEntry):
                yield self._named(listed.name, fault=f"it cannot be read there: {listed.reason}")
            else:
                yield await self._isolated(canonical_name(listed.name))

    async def _isolated(self, name: SecretName) -> Item:
        """Return an item; what fails for one secret, while the vault lists others, is the fault of that one."""
        try:
            return await self._item(name)
        except BackendUnavailable as error:
            if error.certain or not await self._lists():
                raise
            return self._named(name, fault=f"it cannot be read there: {error}")

    async def _lists(self) -> bool:
        try:
            async with aclosing(self._vault.secrets()) as listing:
                await anext(listing, None)
        except BackendUnavailable:
            return False
        return True

    async def _item(self, name: SecretName) -> Item:
        try:
            newest = await self._get(name)
        except SecretDisabled:
            return self._named(name, fault="it is disabled there, so that its value cannot be read")
        except SecretNotFound:
            return self._named(name, left_out="it has just been deleted there")
        if not self._all_versions:
            return self._named(newest.name, versions=(_content(newest),), note=_note([], newest))
        entries = [each async for each in self._vault.versions(name)]
        if any(isinstance(each, OddEntry) for each in entries):
            return self._named(newest.name, fault="one of its versions cannot be read there")
        listed = sorted([each for each in entries if isinstance(each, VaultVersion)], key=_age)
        former = [each for each in listed if each.vault_version_id != newest.vault_version_id]
        readable = [await self._get(name, each.vault_version_id) for each in former if each.attributes.enabled]
        note = _note(former, newest, disabled=len(former) - len(readable))
        return self._named(newest.name, versions=tuple(map(_content, [*readable, newest])), note=note)

    async def _get(self, name: SecretName, vault_version_id: str | None = None) -> VaultVersion:
        return await patiently(lambda: self._vault.get(name, vault_version_id), self._clock)

    def _named(self, name: str, **facts: Any) -> Item:
        return Item(source=name, origin=f"{self._address}: {name}", **facts)


def _age(version: VaultVersion) -> tuple[object, int]:
    """Key Vault tells seconds; within one, the mark of a Holdfast knows the order."""
    return version.created_at, version.marker.version if version.marker else 0


def _note(former: Sequence[VaultVersion], newest: VaultVersion, *, disabled: int = 0) -> str:
    ages = [_age(each) for each in former]
    beyond = any(each.attributes.clamped for each in (*former, newest))
    guessed = len(set(ages)) < len(ages)
    said = [(disabled > 0, f"{disabled} disabled versions stay there")]
    said.append((guessed, "some were made within one second, and their order is a guess"))
    said.append((beyond, "a date that lies outside the years 1 to 9999 stays there"))
    return "; ".join(text for applies, text in said if applies)


def _content(version: VaultVersion) -> Content:
    if version.value is None:
        raise BackendUnavailable("Key Vault told a secret without its value")
    found = unmarked(version.attributes)
    dates = {name: getattr(found, name) for name in ("not_before", "expires_at") if name not in found.clamped}
    return Content(
        value=version.value,
        attributes=Attributes(content_type=found.content_type, tags=found.tags, **dates),
    )
