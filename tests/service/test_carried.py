"""Whatever a version carries comes through every tier, every write-back and every backup as Key Vault holds it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from msgspec.structs import replace

from holdfast.bootstrap.backup import restore_backup
from holdfast.cli.session import operator
from holdfast.domain.attributes import Attributes, VaultFacts, dated
from holdfast.domain.intent import MARKER_TAG, unmarked
from holdfast.domain.secret import Secret, SecretVersion, Source
from holdfast.errors import IntegrityFailure
from holdfast.stores.postgres.migrations import migrations
from tests.support.node import Inside, audit, opened, rows, settings_for, within
from tests.support.postgres import execute
from tests.support.scripted_vault import ScriptedVault

FACTS = VaultFacts(
    managed=True,
    kid="https://vault.test/keys/k/0123456789abcdef0123456789abcdef",
    recovery_level="CustomizedRecoverable",
    recoverable_days=11,
)
FAR = dated(
    Attributes(content_type="application/x-pkcs12", tags={"": "no key", "Ä": "x" * 600}, vault=FACTS),
    nbf=-62_135_596_800,
    exp=253_402_303_861,
)
FURTHER = dated(replace(FAR, tags={}, empty_tags=True), nbf=-(10**30), exp=2**70)
NEAR = dated(replace(FAR, tags={str(number): "t" for number in range(14)}), nbf=-1, exp=0)
DISTINCTIVE = pytest.mark.parametrize("told", [FAR, FURTHER, NEAR], ids=["far", "further", "near"])


@pytest.fixture
async def node(database_url: str, tmp_path: Path, scripted: ScriptedVault) -> AsyncIterator[Inside]:
    async with opened(database_url, tmp_path, scripted) as node:
        yield node


def ours(told: Attributes) -> Attributes:
    """The same of a secret that may be changed and purged."""
    return replace(told, vault=replace(told.vault, managed=None, recovery_level="CustomizedRecoverable+Purgeable"))


def everything(attributes: Attributes) -> dict[str, Any]:
    """Every member, those that are not compared as well."""
    found = {each.name: getattr(attributes, each.name) for each in structs.fields(attributes)}
    return {**found, "tags": dict(attributes.tags)}


def held(vault: ScriptedVault, name: str = "k") -> list[Attributes]:
    """What Key Vault holds of each version, without our marker."""
    return [unmarked(version.attributes) for version in vault.model.history(name)]


async def numbered(node: Inside) -> None:
    """The history of the secret is taken over, so that nothing goes on behind the answers."""
    await node.service.list_secret_versions("k")


async def from_mirror(node: Inside, vault: ScriptedVault) -> Secret:
    await node.service.invalidate_cache()
    async with vault.refusing():
        secret = await node.service.get_secret("k")
    assert secret.source is Source.MIRROR
    return secret


def test_the_examples_leave_no_member_as_it_is_by_default() -> None:
    default = everything(Attributes())
    told = [everything(each) for each in (FAR, FURTHER)]
    same = {name for name, value in default.items() if all(each[name] == value for each in told)}
    assert same == {"enabled"}  # a disabled one discloses nothing: test_adoption.py
    assert all(getattr(FACTS, each.name) is not None for each in structs.fields(FACTS))


@DISTINCTIVE
async def test_every_tier_tells_what_key_vault_tells(
    node: Inside, scripted: ScriptedVault, told: Attributes, database_url: str
) -> None:
    scripted.model.set("k", "v", told)
    await numbered(node)
    first = await node.service.get_secret("k")
    cached = await node.service.get_secret("k")
    assert (first.source, cached.source) == (Source.KEYVAULT, Source.CACHE)
    (summary,) = await node.service.list_secrets()
    (version,) = await node.service.list_secret_versions("k")
    assert isinstance(version, SecretVersion)
    mirrored = await from_mirror(node, scripted)
    for tier in (first, cached, summary.current, version, mirrored):
        assert everything(tier.attributes) == everything(told)
    report = await node.service.sync()
    assert (report.failed, report.changed) == (0, 0)
    assert [operation for _, operation, *_ in await audit(database_url, "k")].count("adopt") == 1


@DISTINCTIVE
async def test_redis_tells_it(
    database_url: str, tmp_path: Path, scripted: ScriptedVault, redis_url: str, told: Attributes
) -> None:
    scripted.model.set("k", "v", told)
    found: list[Secret] = []

    async def read_from_redis() -> bool:
        async with opened(database_url, tmp_path / "b", scripted, redis_url=redis_url) as second:
            found.append(await second.service.get_secret("k"))
        return found[-1].source is Source.REDIS

    async with opened(database_url, tmp_path / "a", scripted, redis_url=redis_url) as first:
        await first.service.get_secret("k")
        await within(60, read_from_redis)  # a Redis that is slow to answer is left out of a read
    assert everything(found[-1].attributes) == everything(told)


@DISTINCTIVE
async def test_a_change_of_something_else_leaves_it_in_the_vault(
    node: Inside, scripted: ScriptedVault, told: Attributes
) -> None:
    told = ours(told)
    scripted.model.set("k", "v", told)
    await node.service.get_secret("k")
    changed = await node.service.update_secret("k", content_type="changed here")
    (in_vault,) = held(scripted)
    assert (in_vault.nbf, in_vault.exp, dict(in_vault.tags)) == (told.nbf, told.exp, dict(told.tags))
    assert everything(changed.attributes) == everything(replace(told, content_type="changed here"))
    await node.service.sync()
    assert everything((await from_mirror(node, scripted)).attributes) == everything(changed.attributes)


async def test_another_date_takes_the_place_of_the_number(node: Inside, scripted: ScriptedVault) -> None:
    scripted.model.set("k", "v", ours(FAR))
    await node.service.get_secret("k")
    latest = FAR.expires_at
    await node.service.update_secret("k", expires_at=latest)
    assert held(scripted)[0].exp == 253_402_300_799
    await node.service.update_secret("k", expires_at=None, not_before=None)
    assert (held(scripted)[0].exp, held(scripted)[0].nbf) == (None, None)


@DISTINCTIVE
async def test_a_backup_of_the_secret_brings_it_back(node: Inside, scripted: ScriptedVault, told: Attributes) -> None:
    told = ours(told)
    scripted.model.set("k", "v", told)
    await node.service.get_secret("k")
    blob = await node.service.backup_secret("k")
    await node.service.delete_secret("k")
    await node.service.purge_secret("k")
    restored = await node.service.restore_secret(blob)
    assert everything(restored.attributes) == everything(told)
    (in_vault,) = held(scripted)
    assert (in_vault.nbf, in_vault.exp, dict(in_vault.tags)) == (told.nbf, told.exp, dict(told.tags))
    await node.service.sync()
    after = (await from_mirror(node, scripted)).attributes
    assert (after.nbf, after.exp, after.empty_tags) == (told.nbf, told.exp, told.empty_tags)


@DISTINCTIVE
async def test_a_backup_of_everything_brings_it_back(
    database_url: str, empty: str, tmp_path: Path, scripted: ScriptedVault, told: Attributes
) -> None:
    file = tmp_path / "all.backup"
    scripted.model.set("k", "v", told)
    async with opened(database_url, tmp_path / "a", scripted) as inside:
        await inside.service.sync()
        await inside.service.backups.make(file)
    await restore_backup(settings_for(empty, tmp_path / "b"), file, caller=operator())
    async with opened(empty, tmp_path / "b", scripted) as inside:
        assert everything((await from_mirror(inside, scripted)).attributes) == everything(told)


async def test_a_rollback_inherits_tags_and_content_type(node: Inside, scripted: ScriptedVault) -> None:
    scripted.model.set("k", "v", ours(FAR))
    await node.service.get_secret("k")
    await node.service.set_secret("k", "w")
    await node.service.rollback_secret("k", 1)
    assert everything(held(scripted)[-1]) == everything(FAR.inherited)


async def test_a_change_by_key_vault_alone_is_learnt_and_nobodys(
    node: Inside, scripted: ScriptedVault, database_url: str
) -> None:
    scripted.model.set("k", "v", Attributes())
    await node.service.get_secret("k")
    scripted.model.update("k", None, lambda old: replace(old, vault=FACTS))
    await node.service.sync()
    assert (await from_mirror(node, scripted)).attributes.vault == FACTS
    assert [operation for _, operation, *_ in await audit(database_url, "k")].count("adopt") == 1


async def test_what_key_vault_says_of_our_own_versions_is_learnt_without_a_change(
    node: Inside, scripted: ScriptedVault, database_url: str
) -> None:
    for value in ("v", "w"):
        await node.service.set_secret("k", value)
    revision = await rows(database_url, "SELECT revision, updated_at, updated_by FROM secrets_vault")
    assert (await node.service.sync()).changed == 0
    assert await rows(database_url, "SELECT revision, updated_at, updated_by FROM secrets_vault") == revision
    told = [version.attributes.vault for version in await node.service.list_secret_versions("k")]
    assert told == [VaultFacts(recovery_level="Recoverable+Purgeable", recoverable_days=90)] * 2


async def test_empty_tags_that_were_given_are_told_apart_from_none(node: Inside, scripted: ScriptedVault) -> None:
    await node.service.set_secret("k", "v", tags={})
    assert (await from_mirror(node, scripted)).attributes.empty_tags
    scripted.model.update("k", None, lambda old: replace(old, content_type="edited there"))
    await node.service.sync()
    after = (await from_mirror(node, scripted)).attributes
    assert (after.content_type, after.empty_tags) == ("edited there", True)
    await node.service.update_secret("k", tags={"a": "b"})
    assert not (await from_mirror(node, scripted)).attributes.empty_tags
    await node.service.update_secret("k", tags={})
    assert (await from_mirror(node, scripted)).attributes.empty_tags
    assert set(scripted.model.history("k")[0].attributes.tags) == {MARKER_TAG}
    await node.service.set_secret("k", "w")
    assert not (await from_mirror(node, scripted)).attributes.empty_tags


async def test_a_number_survives_an_outage_in_the_journal(node: Inside, scripted: ScriptedVault) -> None:
    scripted.model.set("k", "v", ours(FURTHER))
    await node.service.get_secret("k")
    async with scripted.refusing():
        assert not (await node.service.update_secret("k", content_type="later")).attributes.tags
    assert node.parts.replica is not None
    async with node.database.connection() as connection:
        await connection.execute("UPDATE secret_intents SET next_attempt_at = now()")
    await node.parts.replica.replicator.drain()
    (in_vault,) = held(scripted)
    assert (in_vault.nbf, in_vault.exp, in_vault.content_type) == (-(10**30), 2**70, "later")


async def test_i8_an_edited_number_is_no_number(node: Inside, scripted: ScriptedVault, database_url: str) -> None:
    scripted.model.set("k", "v", FAR)
    await node.service.get_secret("k")
    await rows(database_url, """UPDATE secrets_vault SET carried = carried || '{"expires_at_seconds": 253402399999}'""")
    with pytest.raises(IntegrityFailure):
        await from_mirror(node, scripted)


async def test_expiry_reports_take_it(node: Inside, scripted: ScriptedVault) -> None:
    scripted.model.set("k", "v", dated(Attributes(), nbf=None, exp=-(10**15)))
    scripted.model.set("j", "v", FAR)
    await node.service.sync()
    (ended,) = await node.service.check_expiring_secrets(30)
    assert ended.secret_name == "k"
    assert (await node.service.get_secret("k")).expired
    assert (await node.service.get_secret_health()).expired == 1


async def test_rows_of_the_year_1_from_earlier_releases_open_again(
    node: Inside, scripted: ScriptedVault, database_url: str
) -> None:
    """They were kept as -infinity, sealed for the true moment, and taken for edited ones by every reader."""
    scripted.model.set("k", "v", dated(Attributes(), nbf=-62_135_596_800, exp=None))
    await node.service.get_secret("k")
    await execute(database_url, "UPDATE secrets_vault SET not_before = '-infinity', carried = '{}'")
    with pytest.raises(IntegrityFailure, match="not_before"):
        await from_mirror(node, scripted)
    (step,) = [each for each in migrations() if each.version == 17]
    await execute(database_url, *[each for each in step.sql.split(";") if "SET not_before" in each])
    assert (await from_mirror(node, scripted)).attributes.nbf == -62_135_596_800
