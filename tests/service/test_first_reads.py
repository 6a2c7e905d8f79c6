"""A secret is answered after the first call to Key Vault; its history is numbered behind the answer."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from holdfast.domain.secret import Attributes, Source
from holdfast.errors import BackendUnavailable, GenerationMismatch, NameUnavailable, SecretNotFound, VersionNotFound
from tests.support.node import Inside, opened, within
from tests.support.oddities import Oddity
from tests.support.scripted_vault import ScriptedVault

LONG = 60
"""Versions: more than come with their values at once."""


@pytest.fixture
async def node(database_url: str, tmp_path: Path, scripted: ScriptedVault) -> AsyncIterator[Inside]:
    patience = {"read_patience": timedelta(milliseconds=500), "cache_ttl": timedelta(0)}
    async with opened(database_url, tmp_path, scripted, **patience) as node:
        yield node


def _made_there(scripted: ScriptedVault, count: int) -> list[str]:
    """Versions set directly in Key Vault, a second apart and oldest first; returns their ids."""
    made = [scripted.model.set("k", f"value {number}", Attributes())[1] for number in range(1, count + 1)]
    for age, version in enumerate(reversed(made)):
        version.created_at -= timedelta(seconds=age)
    return [version.id for version in made]


async def _numbered(node: Inside, version: int) -> None:
    async def done() -> bool:
        return (await node.service.get_secret("k")).version == version

    await within(30, done)


async def test_the_first_read_takes_one_call_whatever_the_history(node: Inside, scripted: ScriptedVault) -> None:
    ids = _made_there(scripted, LONG)
    scripted.fail("versions", hang=True, times=9)
    secret = await node.service.get_secret("k")
    assert (secret.value, secret.version, secret.version_id) == (f"value {LONG}", 0, ids[-1])
    assert secret.source is Source.KEYVAULT


@pytest.mark.parametrize("inner", ["ObjectIsBeingDeleted", "ObjectIsDeletedButRecoverable", ""])
async def test_a_read_is_never_told_of_a_conflict(node: Inside, scripted: ScriptedVault, inner: str) -> None:
    (version_id,) = _made_there(scripted, 1)
    scripted.oddities["k"] = Oddity(fault={"status": 409, "code": "Conflict", "inner": inner})
    with pytest.raises(NameUnavailable):
        await node.service.get_secret("k")
    with pytest.raises(NameUnavailable):
        await node.service.get_secret_version("k", version_id)
    del scripted.oddities["k"]
    assert (await node.service.get_secret("k")).value == "value 1"
    scripted.oddities["k"] = Oddity(fault={"status": 409, "code": "Conflict", "inner": inner})
    assert (await node.service.get_secret("k")).value == "value 1"


async def test_numbers_follow_creation_once_the_history_is_known(node: Inside, scripted: ScriptedVault) -> None:
    ids = _made_there(scripted, LONG)
    await node.service.get_secret("k")
    await _numbered(node, LONG)
    listed = await node.service.list_secret_versions("k")
    assert [version.version for version in listed] == list(range(1, LONG + 1))
    assert {version.version_id for version in listed} == set(ids)
    assert listed[-1].version_id == ids[-1]


async def test_a_further_version_made_there_takes_one_call_too(node: Inside, scripted: ScriptedVault) -> None:
    await node.service.set_secret("k", "ours")
    scripted.model.set("k", "in between", Attributes())[1].created_at -= timedelta(seconds=1)
    next(iter(scripted.model)).versions[0].created_at -= timedelta(seconds=2)
    newest = scripted.model.set("k", "theirs", Attributes())[1]
    scripted.fail("versions", hang=True)
    secret = await node.service.get_secret("k")
    assert (secret.value, secret.version, secret.version_id) == ("theirs", 0, newest.id)
    scripted.heal()
    await _numbered(node, 3)
    assert [(await node.service.get_secret_version("k", number)).value for number in (1, 2, 3)] == [
        "ours",
        "in between",
        "theirs",
    ]


async def test_two_further_versions_made_there_one_after_the_other_are_both_numbered(
    node: Inside, scripted: ScriptedVault
) -> None:
    await node.service.set_secret("k", "ours")
    scripted.fail("versions", status=500, times=2)
    for value in ("first", "second"):
        scripted.model.set("k", value, Attributes())
        assert (await node.service.get_secret("k")).value == value
    scripted.heal()
    await _numbered(node, 3)
    assert [(await node.service.get_secret_version("k", number)).value for number in (2, 3)] == ["first", "second"]


async def test_i11_a_vault_that_dies_right_after_a_first_read_left_the_value_here(
    node: Inside, scripted: ScriptedVault
) -> None:
    ids = _made_there(scripted, 2)
    scripted.fail("versions", status=500, times=9)
    await node.service.get_secret("k")
    await node.service.invalidate_cache()
    async with scripted.refusing():
        secret = await node.service.get_secret("k")
    assert (secret.value, secret.version, secret.version_id) == ("value 2", 0, ids[-1])
    assert secret.source is Source.MIRROR


async def test_an_identity_that_may_only_get_still_fills_the_mirror(node: Inside, scripted: ScriptedVault) -> None:
    _made_there(scripted, 2)
    scripted.fail("versions", status=403, code="Forbidden", times=99)
    await node.service.get_secret("k")
    await _numbered(node, 1)
    newest = scripted.model.set("k", "later", Attributes())[1]
    await node.service.get_secret("k")
    await _numbered(node, 2)
    async with scripted.refusing():
        secret = await node.service.get_secret("k")
        assert (secret.value, secret.version_id) == ("later", newest.id)
    scripted.heal()
    await node.parts.replica.adopter.refresh("k")  # type: ignore[union-attr,arg-type]  # a vault is there; the name is one
    assert (await node.service.get_secret("k")).version == 2
    assert [version.version for version in await node.service.list_secret_versions("k")] == [1, 2]


async def test_a_conditional_write_waits_for_the_numbers(node: Inside, scripted: ScriptedVault) -> None:
    _made_there(scripted, 3)
    await node.service.get_secret("k")
    with pytest.raises(GenerationMismatch):
        await node.service.set_secret("k", "ours", expected_generation=1)
    assert (await node.service.set_secret("k", "ours", expected_generation=3)).version == 4


async def test_without_the_numbers_only_an_unconditional_write_is_taken(node: Inside, scripted: ScriptedVault) -> None:
    _made_there(scripted, 3)
    scripted.fail("versions", status=500, times=99)
    await node.service.get_secret("k")
    async with scripted.refusing():
        with pytest.raises(BackendUnavailable):
            await node.service.set_secret("k", "ours", expected_generation=1)
        made = await node.service.set_secret("k", "ours")
        assert (made.version, made.replicated) == (2, False)
        assert (await node.service.get_secret_version("k", 1)).value == "value 3"


async def test_an_id_of_key_vault_s_is_read_before_and_after_its_version_is_known_here(
    node: Inside, scripted: ScriptedVault
) -> None:
    first, *_, newest = _made_there(scripted, 3)
    scripted.fail("versions", hang=True)
    early = await node.service.get_secret_version("k", first)
    assert (early.value, early.version, early.version_id) == ("value 1", 0, first)
    scripted.heal()
    await node.service.get_secret("k")
    await _numbered(node, 3)
    await node.service.get_secret_version("k", 1)
    async with scripted.refusing():
        for number, vault_id in ((1, first), (3, newest)):
            found = await node.service.get_secret_version("k", vault_id)
            assert (found.value, found.version, found.version_id) == (f"value {number}", number, vault_id)


async def test_an_id_that_nobody_gave_is_no_version(node: Inside, scripted: ScriptedVault) -> None:
    with pytest.raises(SecretNotFound):
        await node.service.get_secret_version("k", "0" * 32)
    await node.service.set_secret("k", "ours")
    for _ in range(3):
        with pytest.raises(VersionNotFound):
            await node.service.get_secret_version("k", "0" * 32)
    assert scripted.calls["get"] <= 3
    other = scripted.model.set("other", "not this secret's", Attributes())[1]
    with pytest.raises(VersionNotFound):
        await node.service.get_secret_version("k", other.id)


async def test_a_version_has_the_id_that_key_vault_gave_it_and_is_found_by_its_first_one_too(
    node: Inside, scripted: ScriptedVault
) -> None:
    async with scripted.refusing():
        before = (await node.service.set_secret("k", "ours")).version_id
        assert (await node.service.get_secret("k")).version_id == before
    replica = node.parts.replica
    assert replica is not None

    async def replayed() -> bool:
        await replica.replicator.drain()
        return not (await node.parts.journal.status()).open

    await within(90, replayed)
    given = scripted.model.history("k")[0].id
    assert (await node.service.get_secret("k")).version_id == given != before
    (listed,) = await node.service.list_secrets()
    assert listed.current.version_id == given
    for known_as in (before, given, 1):
        found = await node.service.get_secret_version("k", known_as)
        assert (found.value, found.version_id) == ("ours", given)
    updated = await node.service.update_secret("k", version=before, content_type="text/plain")
    assert (updated.version, updated.version_id) == (1, given)


async def test_former_values_come_when_asked_for_and_by_themselves(node: Inside, scripted: ScriptedVault) -> None:
    _made_there(scripted, LONG)
    await node.service.get_secret("k")
    await _numbered(node, LONG)
    await node.parts.replica.histories.soon("k")  # type: ignore[union-attr,arg-type]  # a vault is there; the name is one
    assert (await node.service.get_secret_version("k", 1)).value == "value 1"
    async with scripted.refusing():
        assert (await node.service.get_secret_version("k", 1)).value == "value 1"
        with pytest.raises(BackendUnavailable):
            await node.service.get_secret_version("k", 2)
        assert (await node.service.get_secret_version("k", LONG - 1)).value == f"value {LONG - 1}"
    replica = node.parts.replica
    assert replica is not None
    await replica.adopter.fetcher.fetch_everywhere()
    async with scripted.refusing():
        assert (await node.service.get_secret_version("k", 2)).value == "value 2"


async def test_going_back_to_a_version_and_a_backup_fetch_what_they_need(node: Inside, scripted: ScriptedVault) -> None:
    _made_there(scripted, LONG)
    await node.service.get_secret("k")
    assert (await node.service.rollback_secret("k", 2)).version == LONG + 1
    assert (await node.service.get_secret("k")).value == "value 2"
    blob = await node.service.backup_secret("k")
    await node.service.delete_secret("k")
    await node.service.purge_secret("k")
    await node.service.restore_secret(blob)
    assert (await node.service.get_secret_version("k", 3)).value == "value 3"


async def test_first_reads_by_many_at_once_all_get_the_value(node: Inside, scripted: ScriptedVault) -> None:
    _made_there(scripted, 3)
    replica = node.parts.replica
    assert replica is not None
    passing = asyncio.create_task(replica.sync.sync())
    answers = await asyncio.gather(*(node.service.get_secret("k") for _ in range(10)))
    assert {secret.value for secret in answers} == {"value 3"}
    await passing
