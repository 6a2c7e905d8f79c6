"""The contract of ``holdfast.ports.Vault``. Each check uses names of its own, so that a vault may be shared."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, TypeVar
from uuid import uuid4

from holdfast.domain.intent import MARKER_TAG, Marker
from holdfast.domain.names import SecretName
from holdfast.domain.secret import Attributes, SecretValue
from holdfast.errors import HoldfastError, SecretDeleted, SecretDisabled, SecretNotFound, TransitionPending
from holdfast.ports import OddEntry, Vault, VaultVersion

T = TypeVar("T")

PATIENCE_S: Final = 60.0
"""Seconds that a vault may take to settle a deletion, recovery or purge."""

_POLL_S: Final = 0.02
_SOON: Final = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)


async def check_vault(make: Callable[[], Awaitable[Vault]]) -> None:
    """Hold what ``make`` returns to the contract; raises ``AssertionError`` where it breaks it."""
    vault = await make()
    try:
        for check in VAULT_CONTRACT:
            await check(vault)
    finally:
        await vault.aclose()


async def returns_what_was_set(vault: Vault) -> None:
    """A set version is the newest one, with its value, attributes and marker."""
    name, marker = _name(), _marker(1)
    attributes = Attributes(
        enabled=True, not_before=_SOON, expires_at=_SOON, content_type="text/plain", tags={"team": "core", "Ä": "ß"}
    )
    value = 'line\nNUL\x00 \N{GRINNING FACE} \\ " end'
    written = await vault.set(name, SecretValue(value), attributes, marker)
    read = await vault.get(name)
    for version in (written, read):
        _expect(version.name == name, "the name")
        _expect(version.value is not None and version.value.reveal() == value, "the value, byte for byte")
        _expect(version.marker == marker, "the marker")
        _expect(dict(version.attributes.tags) == {**attributes.tags, MARKER_TAG: str(marker)}, "the tags")
        _expect(version.attributes.expires_at == version.attributes.not_before == _SOON, "the dates, in UTC")
        _expect(version.attributes.content_type == "text/plain", "the content type")
    _expect(written.vault_version_id == read.vault_version_id, "the version id")


async def keeps_every_version(vault: Vault) -> None:
    """Earlier versions stay readable by id and are all listed; nothing is inherited by a new one."""
    name = _name()
    first = await _set(vault, name, "one", Attributes(content_type="a", tags={"k": "v"}))
    second = await _set(vault, name, "", Attributes())
    _expect(_value(await vault.get(name)) == "", "the newest value, even an empty one")
    _expect(_value(await vault.get(name, first.vault_version_id)) == "one", "the earlier value by its version id")
    _expect(second.attributes.content_type is None and "k" not in second.attributes.tags, "nothing inherited")
    listed = await _listed(vault.versions(name))
    _expect({each.vault_version_id for each in listed} == {first.vault_version_id, second.vault_version_id}, "both")
    _expect(all(version.value is None for version in listed), "no values in listings")
    _expect({version.marker for version in listed} == {first.marker, second.marker}, "markers in listings")


async def a_touch_changes_nothing(vault: Vault) -> None:
    """Asking whether changes are taken, of a name that is there or of one that no one has, makes none."""
    name, nobody = _name(), _name()
    written = await _set(vault, name, "v", Attributes(content_type="a", tags={"k": "v"}))
    vault.reconnect()
    for asked in (name, nobody):
        await vault.touch(asked)
    read = await vault.get(name)
    _expect((read.attributes, read.updated_at) == (written.attributes, written.updated_at), "nothing is changed")
    await _expect_error(SecretNotFound, vault.get(nobody))


async def names_have_no_case(vault: Vault) -> None:
    """A name is found in lower case, whatever the casing it was set in, and told in that casing."""
    name = SecretName(_name() + "-x")
    shown = name.upper()
    await vault.set(shown, SecretValue("v"), Attributes(), _marker(1))
    _expect((await vault.get(name)).name == shown, "the casing of the set")
    _expect(shown in [each.name for each in await _listed(vault.secrets())], "the casing in listings")


async def unknown_names_are_not_found(vault: Vault) -> None:
    """What is not there is ``SecretNotFound``; its versions are an empty listing."""
    name, known = _name(), _name()
    await _set(vault, known, "v")
    for call in (vault.get(name), vault.delete(name), vault.recover(name), vault.purge(name)):
        await _expect_error(SecretNotFound, call)
    await _expect_error(SecretNotFound, vault.get(known, uuid4().hex))
    await _expect_error(SecretNotFound, vault.update(name, uuid4().hex, Attributes(), None))
    _expect(not await _listed(vault.versions(name)), "no versions")
    _expect(not await vault.is_deleted(name), "not deleted either")


async def disabled_versions_are_not_disclosed(vault: Vault) -> None:
    """A disabled newest version refuses reads, is listed, and can be enabled again; an earlier one stays readable."""
    name = _name()
    first = await _set(vault, name, "one")
    second = await _set(vault, name, "two", Attributes(enabled=False))
    await _expect_error(SecretDisabled, vault.get(name))
    await _expect_error(SecretDisabled, vault.get(name, second.vault_version_id))
    _expect(_value(await vault.get(name, first.vault_version_id)) == "one", "the enabled version")
    enabled = {each.vault_version_id: each.attributes.enabled for each in await _listed(vault.versions(name))}
    _expect(enabled == {first.vault_version_id: True, second.vault_version_id: False}, "both in the listing")
    await vault.update(name, second.vault_version_id, Attributes(), second.marker)
    _expect(_value(await vault.get(name)) == "two", "the version enabled again")


async def an_update_replaces_the_attributes(vault: Vault) -> None:
    """After an update the attributes are the given ones, cleared where none are given, and the marker is kept."""
    name = _name()
    old = Attributes(not_before=_SOON, expires_at=_SOON, content_type="text/plain", tags={"a": "1", "b": "2"})
    version = await _set(vault, name, "v", old)
    for new in (Attributes(expires_at=_SOON, content_type="x", tags={"c": "3"}), Attributes()):
        await vault.update(name, version.vault_version_id, new, version.marker)
        read = await vault.get(name)
        _expect(read.vault_version_id == version.vault_version_id, "no new version")
        _expect(_value(read) == "v", "the same value")
        _expect(read.marker == version.marker, "the marker")
        _expect({**read.attributes.tags} == {**new.tags, MARKER_TAG: str(version.marker)}, "the tags, replaced")
        _expect(read.attributes.expires_at == new.expires_at, "the expiry")
        _expect(read.attributes.not_before is None, "the start, cleared")
        _expect(read.attributes.content_type == new.content_type, "the content type")


async def deletion_is_soft(vault: Vault) -> None:
    """A deleted secret is gone from reads and lists, its name is taken, and recovery brings all versions back."""
    name = _name()
    first = await _set(vault, name, "one")
    second = await _set(vault, name, "two")
    await vault.delete(name)
    await _expect_error(SecretNotFound, vault.get(name))
    _expect(name not in [each.name.lower() for each in await _listed(vault.secrets())], "not in the list")
    await _until(lambda: vault.is_deleted(name))
    _expect(
        name in [each.name.lower() for each in await _listed(vault.deleted_secrets())], "in the list of deleted ones"
    )
    await _expect_error(SecretDeleted, _set(vault, name, "three"))
    await vault.recover(name)
    _expect(_value(await _settled(lambda: vault.get(name))) == "two", "the newest value again")
    _expect(_value(await vault.get(name, first.vault_version_id)) == "one", "the earlier one as well")
    _expect((await vault.get(name)).vault_version_id == second.vault_version_id, "the same version ids")
    _expect(not await vault.is_deleted(name), "not deleted any more")


async def a_purge_frees_the_name(vault: Vault) -> None:
    """A purged secret is nowhere; its name makes a new secret without a past. A live one cannot be purged."""
    name = _name()
    await _set(vault, name, "old")
    await _expect_error(SecretNotFound, vault.purge(name))
    await vault.delete(name)
    await _until(lambda: vault.is_deleted(name))
    await _settled(lambda: vault.purge(name))
    _expect(not await vault.is_deleted(name), "not among the deleted ones")
    fresh = await _settled(lambda: _set(vault, name, "new"))
    listed = [each.vault_version_id for each in await _listed(vault.versions(name))]
    _expect(listed == [fresh.vault_version_id], "one version only")


async def listings_are_complete(vault: Vault) -> None:
    """More secrets than a page holds are all listed once, with the attributes of the newest version and no value."""
    names = sorted(_name() for _ in range(60))
    for name in names:
        await _set(vault, name, "v", Attributes(tags={"n": name}))
    listed = [each for each in await _listed(vault.secrets()) if each.name in names]
    _expect(sorted(each.name for each in listed) == names, "each name once")
    _expect(all(each.value is None and each.vault_version_id == "" for each in listed), "neither value nor version")
    _expect(all(each.attributes.tags["n"] == each.name for each in listed), "the attributes")


VAULT_CONTRACT: Final[tuple[Callable[[Vault], Awaitable[None]], ...]] = (
    returns_what_was_set,
    keeps_every_version,
    a_touch_changes_nothing,
    names_have_no_case,
    unknown_names_are_not_found,
    disabled_versions_are_not_disclosed,
    an_update_replaces_the_attributes,
    deletion_is_soft,
    a_purge_frees_the_name,
    listings_are_complete,
)
"""Every check, each to be awaited with a vault."""


def _name() -> SecretName:
    return SecretName(f"contract-{uuid4().hex}")


def _marker(version: int) -> Marker:
    return Marker(version, uuid4())


async def _set(vault: Vault, name: SecretName, value: str, attributes: Attributes | None = None) -> VaultVersion:
    return await vault.set(name, SecretValue(value), attributes or Attributes(), _marker(1))


async def _listed(entries: AsyncIterable[VaultVersion | OddEntry]) -> list[VaultVersion]:
    return [entry async for entry in entries if isinstance(entry, VaultVersion)]


def _value(version: VaultVersion) -> str | None:
    return version.value.reveal() if version.value else None


def _expect(kept: bool, promise: str) -> None:
    if not kept:
        raise AssertionError(f"the vault does not keep its promise: {promise}")


async def _expect_error(kind: type[HoldfastError], call: Awaitable[object]) -> None:
    try:
        await call
    except kind:
        return
    raise AssertionError(f"the vault answered where {kind.__name__} was due")


async def _until(true: Callable[[], Awaitable[bool]]) -> None:
    async def check() -> None:
        if not await true():
            raise TransitionPending("not yet")

    await _settled(check)


async def _settled(call: Callable[[], Awaitable[T]]) -> T:
    """Repeat a call until the vault's last transition has settled."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await call()
            except (TransitionPending, SecretNotFound):
                await asyncio.sleep(_POLL_S)
