"""Secrets deleted in Key Vault: shown by their head, with Key Vault's own dates, and recoverable."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from holdfast.domain.attributes import Attributes, VaultFacts
from holdfast.domain.names import SecretName
from holdfast.domain.secret import State
from holdfast.errors import NameUnavailable, SecretDeleted, SecretNotFound
from tests.support.node import Inside, opened, within
from tests.support.scripted_vault import ScriptedVault
from tests.support.vault_model import Phase
from tests.support.world import SECRET, World

OLD = SecretName("old-key")


def deleted_before(world: World, name: SecretName = OLD) -> None:
    """Somebody made and deleted a secret before this installation looked."""
    world.foreign_set("one", name)
    world.foreign_set("two", name)
    world.vault.model.delete(name)
    world.clock.move(3600)


async def test_a_secret_that_was_deleted_before_it_was_ever_seen_appears_among_the_deleted(world: World) -> None:
    deleted_before(world)
    report = await world.synced()
    assert (report.deleted, report.adopted, report.failed) == (1, 0, 0)
    head = await world.head(OLD)
    told = world.vault.model.deleted(OLD)
    assert (head.state, head.deleted_at) == (State.DELETED, told.deleted_at)
    assert told.deleted_at is not None
    assert head.scheduled_purge_at == told.deleted_at + timedelta(days=90)
    assert [summary.name for summary in await world.ledger.summaries(State.DELETED)] == [OLD]
    world.sealer.verify(head.facts(), head.attestation)
    again = await world.synced()
    assert (again.deleted, again.changed) == (0, 0), "it is no news any more"


async def test_recovering_it_there_brings_it_back_with_all_its_versions(world: World) -> None:
    deleted_before(world)
    await world.synced()
    world.vault.model.recover(OLD)
    assert (await world.synced()).failed == 0
    assert (await world.head(OLD)).state is State.ACTIVE
    assert await world.values(OLD) == ["one", "two"]


async def test_a_deletion_is_taken_over_with_the_dates_of_key_vault(world: World) -> None:
    world.foreign_set("v")
    await world.synced()
    world.vault.model.update(SECRET, None, lambda a: replace(a, vault=VaultFacts(recoverable_days=7)))
    world.vault.model.delete(SECRET)
    moment = world.vault.model.deleted(SECRET).deleted_at
    world.clock.move(3600)
    await world.synced()
    head = await world.head()
    assert (head.state, head.deleted_at) == (State.DELETED, moment)


@pytest.mark.parametrize("days", [-1, 10**12, 10**60])
async def test_days_beyond_all_sense_end_no_deletion(node: Inside, scripted: ScriptedVault, days: int) -> None:
    for name in ("deleted-here", "deleted-there"):
        scripted.model.set(name, "v", Attributes(vault=VaultFacts(recoverable_days=days)))
    await node.service.sync()
    assert (await node.service.delete_secret("deleted-here")).scheduled_purge_at > node.parts.clock.now()
    scripted.model.delete(SecretName("deleted-there"))
    assert (await node.service.sync()).failed == 0
    deleted = {each.name for each in await node.service.list_deleted_secrets()}
    assert deleted == {"deleted-here", "deleted-there", "old-key"}
    assert (await node.service.sync()).changed == 0


async def test_what_was_purged_here_does_not_come_back_while_the_vault_goes_on_listing_it(world: World) -> None:
    world.foreign_set("v")
    await world.synced()
    await world.delete()
    await world.replay()
    await world.purge()
    await world.synced()
    assert await world.ledger.head(SECRET) is None
    await world.settle()
    await world.synced()
    assert await world.ledger.head(SECRET) is None
    assert world.vault.model.phase(SECRET) is None


async def test_i5_what_is_deleted_is_not_served_though_its_facts_cannot_be_read(world: World) -> None:
    world.foreign_set("v")
    await world.synced()
    world.vault.model.delete(SECRET)

    async def odd(_: SecretName) -> None:
        raise NameUnavailable("its attributes are none")

    world.vault.deleted = odd  # type: ignore[assignment, method-assign]  # it shows the list, and not the secret
    await world.synced()
    assert (await world.head()).state is State.DELETED


@pytest.fixture
async def node(database_url: str, tmp_path: Path, scripted: ScriptedVault) -> AsyncIterator[Inside]:
    scripted.model.set("old-key", "one", Attributes())
    scripted.model.set("old-key", "two", Attributes())
    scripted.model.delete("old-key")
    async with opened(database_url, tmp_path, scripted) as node:
        yield node


async def test_both_doors_show_the_same_deleted_secrets(node: Inside, scripted: ScriptedVault) -> None:
    await node.service.sync()
    (listed,) = await node.service.list_deleted_secrets()
    assert listed.name == "old-key"
    with pytest.raises(SecretDeleted):
        await node.service.set_secret("old-key", "three")
    with pytest.raises(SecretNotFound):
        await node.service.get_secret("old-key")
    await node.service.recover_secret("old-key")

    async def recovered() -> bool:
        return scripted.model.phase("old-key") is Phase.ACTIVE

    await within(30, recovered)
    assert (await node.service.get_secret("old-key")).value == "two"

    async def all_there() -> bool:
        return [version.version for version in await node.service.list_secret_versions("old-key")] == [1, 2]

    await within(30, all_there)
    # Values of former versions come after the versions themselves, or when they are asked for.
    assert (await node.service.get_secret_version("old-key", 1)).value == "one"
    await node.service.invalidate_cache()
    async with scripted.refusing():
        assert (await node.service.get_secret_version("old-key", 1)).value == "one"
