"""What follows a change that Key Vault refuses is not held up by it (I2)."""

import pytest

from holdfast.domain.secret import State
from holdfast.errors import VaultRefusal
from tests.support.vault_model import Phase
from tests.support.world import SECRET, World

POLICY = VaultRefusal("A policy refuses it.", status=403, vault_code="ForbiddenByPolicy")


async def parked(world: World, operation: str) -> None:
    """Let Key Vault refuse what was accepted in an outage."""
    world.vault.heal()
    world.vault.fail(operation, POLICY, times=50)
    await world.replay()
    assert [row[1] for row in await world.pending()] == ["parked"]


async def test_a_deletion_goes_past_a_refused_set(world: World) -> None:
    await world.set("one")
    world.vault.down = True
    await world.set("two")
    await parked(world, "set")
    await world.delete()
    assert world.vault.model.phase(SECRET) is Phase.DELETED
    await world.recover()
    assert world.vault.model.phase(SECRET) is Phase.ACTIVE
    await world.reconciler.reconcile(retry=True)
    await world.settle()
    await world.reconciler.reconcile(retry=True)
    await world.settle()
    assert await world.values() == world.vault_values() == ["one", "two"]


async def test_a_deletion_in_an_outage_goes_past_a_refused_set(world: World) -> None:
    await world.set("one")
    world.vault.down = True
    await world.set("two")
    await world.delete()
    world.vault.heal()
    world.vault.fail("set", POLICY, times=50)
    await world.replay()
    await world.replay()
    assert world.vault.model.phase(SECRET) is Phase.DELETED


async def test_a_set_goes_past_a_refused_update(world: World) -> None:
    await world.set("one")
    world.vault.down = True
    await world.update(tags={"a": "b"})
    await parked(world, "update")
    assert await world.set("two")
    assert world.vault_values() == ["one", "two"]


async def test_a_set_in_an_outage_goes_past_a_refused_update(world: World) -> None:
    await world.set("one")
    world.vault.down = True
    await world.update(tags={"a": "b"})
    await world.set("two")
    world.vault.heal()
    world.vault.fail("update", POLICY, times=50)
    await world.replay()
    await world.replay()
    assert world.vault_values() == ["one", "two"]


async def test_a_recovery_goes_past_a_refused_deletion(world: World) -> None:
    await world.set("one")
    world.vault.down = True
    await world.delete()
    await parked(world, "delete")
    await world.recover()
    assert await world.set("two")
    assert await world.pending() == []
    assert world.vault_values() == ["one", "two"]


async def test_a_deletion_goes_past_a_refused_recovery(world: World) -> None:
    await world.set("one")
    await world.delete()
    world.vault.down = True
    await world.recover()
    await parked(world, "recover")
    await world.delete()
    assert await world.pending() == []
    assert (await world.head()).state is State.DELETED
    await world.purge()
    assert world.vault.model.phase(SECRET) is None


async def test_a_deletion_goes_past_a_refused_update(world: World) -> None:
    await world.set("one")
    world.vault.down = True
    await world.update(tags={"a": "b"})
    await parked(world, "update")
    await world.delete()
    assert world.vault.model.phase(SECRET) is Phase.DELETED


async def test_an_update_goes_past_a_refused_update(world: World) -> None:
    await world.set("one")
    world.vault.down = True
    await world.update(tags={"a": "b"})
    await parked(world, "update")
    world.vault.heal()
    await world.update(tags={"c": "d"})
    assert await world.pending() == []


async def test_a_purge_here_does_not_destroy_what_was_recovered_there(world: World) -> None:
    await world.set("one")
    await world.delete()
    world.clock.move(3600)
    world.vault.model.recover(SECRET)
    with pytest.raises(VaultRefusal, match="recovered it there") as refused:
        await world.purge()
    assert (refused.value.status, refused.value.vault_code) == (404, "SecretNotFound")
    assert world.vault.model.phase(SECRET) is Phase.ACTIVE
    assert (await world.head()).state is State.ACTIVE


async def test_a_recovery_of_what_was_purged_there_is_refused(world: World) -> None:
    await world.set("one")
    await world.delete()
    world.clock.move(3600)
    world.vault.model.purge(SECRET)
    with pytest.raises(VaultRefusal, match="purged it there") as refused:
        await world.recover()
    assert (refused.value.status, refused.value.vault_code) == (404, "SecretNotFound")
    assert (await world.head()).state is State.DELETED
