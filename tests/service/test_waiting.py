"""What waits for Key Vault delays nobody else, shows itself, and needs nobody once the cause is gone (I2, I12)."""

from datetime import timedelta
from itertools import pairwise

import pytest

from holdfast.domain.intent import MARKER_TAG
from holdfast.domain.names import SecretName
from holdfast.domain.secret import State
from holdfast.errors import NameRefused, NameUnavailable, Throttled, TransitionPending, VaultRefusal
from tests.support.node import rows
from tests.support.vault_model import Phase
from tests.support.world import SECRET, World

POLICY = VaultRefusal("A policy refuses it.", status=403, vault_code="ForbiddenByPolicy")
FULL = {f"tag-{number:02}": "v" for number in range(15)}
OTHERS = [SecretName(f"other-{number}") for number in range(5)]


async def in_an_outage(world: World, *values: str) -> None:
    """Set values while the vault is away."""
    world.vault.down = True
    for value in values:
        assert not await world.set(value)
    world.vault.heal()


@pytest.mark.parametrize("error", [NameUnavailable("500"), NameRefused("403"), POLICY, TransitionPending("settling")])
async def test_a_change_that_fails_on_its_own_delays_no_other_secret(world: World, error: Exception) -> None:
    await in_an_outage(world, "odd")
    world.vault.down = True
    for name in OTHERS:
        assert not await world.set("v", name=name)
    world.vault.heal()
    world.vault.fail("set", error, times=50)  # type: ignore[arg-type]  # each is one of ours
    put = world.vault.set

    async def picky(name: str, *arguments: object) -> object:
        if name != SECRET:
            world.vault._faults["set"].clear()
        return await put(name, *arguments)  # type: ignore[arg-type]  # handed on as they came

    world.vault.set = picky  # type: ignore[assignment,method-assign]  # it fails for one secret alone
    await world.replay()
    assert [world.vault_values(name) for name in OTHERS] == [["v"]] * 5
    assert len(await world.pending()) == 1
    assert world.primary.takes_changes()


async def test_each_failure_doubles_the_wait_and_restarts_remember_it(world: World, database_url: str) -> None:
    world.replicator._pause = timedelta(seconds=1)
    await in_an_outage(world, "odd")
    waits = []
    for _ in range(4):
        world.vault.fail("set", NameUnavailable("500"))
        await world.replay()
        ((wait, failures),) = await rows(
            database_url, "SELECT extract(epoch FROM next_attempt_at - now())::float, failures FROM secret_intents"
        )
        waits.append(wait)
        assert failures == len(waits)
        world.restart()
        world.replicator._pause = timedelta(seconds=1)
    assert all(later > earlier * 1.2 for earlier, later in pairwise(waits)), waits


async def test_what_waits_longest_comes_first_and_a_released_one_goes_behind_the_others(world: World) -> None:
    world.replicator._pause = timedelta(seconds=1)
    world.vault.down = True
    for name in OTHERS:
        await world.set("v", name=name)
    await world.make_due()
    (first,) = await world.journal.claim(limit=1, lease=timedelta(minutes=1))
    await world.journal.release(first, "away", retry_in=timedelta(0))
    (second,) = await world.journal.claim(limit=1, lease=timedelta(minutes=1))
    assert second.name != first.name


async def test_a_second_try_goes_past_the_first_that_was_refused_and_supersedes_it_on_record(world: World) -> None:
    await in_an_outage(world, "without expiry")
    world.vault.fail("set", POLICY)
    await world.replay()
    assert [row[:2] for row in await world.pending()] == [("set", "parked")]
    assert await world.set("with expiry")
    assert await world.pending() == []
    assert world.vault_values() == ["with expiry"]
    assert await world.values() == ["without expiry", "with expiry"]
    assert await world.audited("supersede") == 1


async def test_of_two_sets_of_an_outage_the_second_arrives_though_the_first_is_refused(world: World) -> None:
    await in_an_outage(world, "without expiry", "with expiry")
    world.vault.fail("set", POLICY)
    await world.replay()
    assert (await world.pending(), world.vault_values()) == ([], ["with expiry"])


async def test_a_second_try_that_is_refused_is_told_and_leaves_the_first_waiting(world: World) -> None:
    await in_an_outage(world, "first")
    world.vault.fail("set", POLICY, times=2)
    await world.replay()
    with pytest.raises(VaultRefusal):
        await world.set("second")
    assert [row[:2] for row in await world.pending()] == [("set", "parked")]
    assert await world.values() == ["first"]


async def test_what_was_refused_is_tried_again_by_itself(world: World, database_url: str) -> None:
    await in_an_outage(world, "one")
    world.vault.fail("set", POLICY)
    await world.replay()
    (hours,) = (row[0] for row in await rows(database_url, "SELECT (next_attempt_at - now()) FROM secret_intents"))
    assert timedelta(minutes=55) < hours <= timedelta(hours=1)
    await rows(database_url, "UPDATE secret_intents SET next_attempt_at = now()")
    await world.replicator.drain()
    assert (world.vault_values(), await world.pending()) == (["one"], [])


async def test_what_was_refused_and_deleted_since_does_not_come_back(world: World, database_url: str) -> None:
    await in_an_outage(world, "one")
    world.vault.fail("set", POLICY)
    await world.replay()
    await world.delete()
    await rows(database_url, "UPDATE secret_intents SET next_attempt_at = now()")
    await world.replicator.drain()
    assert world.vault.model.phase(SECRET) is None
    await world.purge()
    await world.settle()
    assert (await world.pending(), world.vault.model.phase(SECRET)) == ([], None)


async def test_all_that_waits_is_reported_and_can_be_given_up(world: World) -> None:
    await world.set("theirs")
    await in_an_outage(world, "ours")
    world.vault.fail("set", NameUnavailable("500"))
    await world.replay()
    report = await world.reconciler.reconcile()
    ((waiting,), parked) = (report.waiting, report.parked)
    assert parked == []
    assert (waiting.name, waiting.kind, waiting.attempts, waiting.last_error) == (
        SECRET,
        "set",
        1,
        "name_unavailable: 500",
    )
    assert waiting.next_attempt_at is not None
    report = await world.reconciler.reconcile(discard=SECRET)
    assert (report.discarded, report.open) == (1, 0)
    assert world.vault_values() == ["theirs"]
    assert (await world.values())[-1] == "theirs"


async def test_i12_lives_that_key_vault_never_saw_are_not_purged_there(world: World) -> None:
    for number in range(3):
        for operation in ("get", "secrets", "touch"):
            world.vault.fail(operation, Throttled("429"), times=9)
        await world.set(f"value {number}")
        await world.delete()
        await world.purge()
    world.vault.heal()
    for operation in ("get", "secrets", "touch"):
        world.vault.fail(operation, Throttled("429"), times=2)
    await world.set("the last")
    world.vault.heal()
    assert [row[0] for row in await world.pending()] == ["set"]
    world.vault.calls.clear()
    await world.settle()
    assert world.vault.calls.total() <= 2
    assert world.vault_values() == ["the last"]


async def test_i12_purges_of_one_name_are_one(world: World) -> None:
    world.vault.model.settle_s = 5
    for number in range(3):
        world.vault.heal()
        world.clock.move(61)
        await world.set(f"value {number}")
        world.vault.down = True
        await world.delete()
        await world.purge()
    assert [row[:2] for row in await world.pending()] == [("purge", "open")]
    await world.settle()
    world.clock.move(10)
    assert world.vault.model.phase(SECRET) is None


async def test_how_long_key_vault_has_been_settling_is_remembered_over_restarts(
    world: World, database_url: str
) -> None:
    world.vault.fail("set", applied="late")
    await world.set("one")
    await world.delete()
    await world.purge()
    world.clock.move(61)
    await world.make_due()
    await world.replicator.drain()
    ((since,),) = await rows(database_url, "SELECT limbo_since FROM secret_intents WHERE state = 'open'")
    assert since is not None
    world.restart()
    world.clock.move(61)
    await world.make_due()
    await world.replicator.drain()
    assert await world.pending() == []


async def test_i12_what_settles_is_looked_at_no_later_than_that_is_over(world: World, database_url: str) -> None:
    world.vault.fail("set", applied="late")
    await world.set("one")
    await world.delete()
    await world.purge()
    for _ in range(8):
        world.clock.move(5)
        await world.make_due()
        await world.replicator.drain()
    left = "SELECT next_attempt_at - now() < interval '26 seconds' FROM secret_intents WHERE state = 'open'"
    assert await rows(database_url, left) == [(True,)]


async def test_i12_a_clock_that_was_ahead_does_not_make_a_purge_wait_for_hours(world: World) -> None:
    world.vault.fail("set", applied="late")
    await world.set("one")
    await world.delete()
    await world.purge()
    world.clock.step(7200)
    await world.make_due()
    await world.replicator.drain()
    world.clock.step(-7200)
    for _ in range(2):
        world.clock.move(61)
        await world.make_due()
        await world.replicator.drain()
    assert await world.pending() == []


# --- as many tags as Key Vault takes ---------------------------------------------------------------------------------


async def test_a_secret_may_have_all_the_tags_that_key_vault_takes(world: World) -> None:
    assert await world.set("one", tags=FULL)
    assert await world.set("two", tags=FULL)
    assert dict(world.vault.model.history(SECRET)[-1].attributes.tags) == FULL
    await world.synced()
    assert (await world.values(), await world.audited("adopt")) == (["one", "two"], 0)


@pytest.mark.parametrize("applied", ["no", "once"])
async def test_i4_an_unknown_outcome_is_settled_without_a_marker(world: World, applied: str) -> None:
    await world.set("one", tags=FULL)
    world.clock.move(2)
    world.vault.fail("set", applied=applied)  # type: ignore[arg-type]  # a literal
    assert not await world.set("two", tags=FULL)
    await world.synced()
    assert await world.values() == ["one", "two"]
    await world.settle()
    await world.synced()
    assert (world.vault_values(), await world.values()) == (["one", "two"], ["one", "two"])
    assert (await world.audited("adopt"), await world.audited("conflict")) == (0, 0)


async def test_the_same_value_written_before_is_not_taken_for_ours(world: World) -> None:
    await world.set("one", tags=FULL)
    world.clock.move(2)
    world.vault.fail("set", applied="late")
    assert not await world.set("one", tags=FULL)
    await world.settle()
    assert world.vault_values() == ["one", "one"]
    assert (await world.head()).state is State.ACTIVE
    assert MARKER_TAG not in world.vault.model.history(SECRET)[-1].attributes.tags
    assert world.vault.model.phase(SECRET) is Phase.ACTIVE
