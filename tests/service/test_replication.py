"""I2, I4: what was accepted reaches Key Vault once in effect and in order, whatever happens on the way."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from holdfast.domain.names import SecretName
from holdfast.domain.secret import State
from holdfast.errors import (
    IntegrityFailure,
    NameRefused,
    Rejected,
    TransitionPending,
    VaultRefusal,
)
from holdfast.service.crashpoints import CRASH_POINTS, PROPOSAL_CRASH_POINTS
from holdfast.service.vault.applying import Attempt
from tests.support.vault_model import Phase
from tests.support.world import SECRET, Crash, World


async def test_a_healthy_write_is_in_key_vault_before_the_answer(world: World) -> None:
    assert await world.set("one", tags={"team": "payments"})
    (version,) = world.vault.model.history(SECRET)
    head = await world.head()
    assert (version.value, version.attributes.tags["team"]) == ("one", "payments")
    assert (head.vault_version_id, head.vault_updated_at) == (version.id, version.updated_at)
    assert head.open_intents == 0


async def test_a_healthy_write_costs_one_look_and_one_put(world: World) -> None:
    await world.set("one")
    await world.set("two")
    assert world.vault.calls == {"get": 2, "set": 2}


async def test_i2_writes_of_an_outage_are_replayed_in_order(world: World) -> None:
    world.vault.down = True
    assert [await world.set(value) for value in ("one", "two", "three")] == [False, False, False]
    assert world.vault_values() == []
    await world.settle()
    assert world.vault_values() == ["one", "two", "three"]
    versions = await world.ledger.versions(SECRET)
    assert [v.vault_version_id for v in versions] == [v.id for v in world.vault.model.history(SECRET)]


async def test_i12_to_settle_a_lost_answer_costs_one_look(world: World) -> None:
    world.vault.fail("set", applied="once")
    await world.set("one")
    world.vault.calls.clear()
    await world.settle()
    assert world.vault.calls == {"get": 1}


@pytest.mark.parametrize("applied", ["once", "twice"])
async def test_i4_a_set_whose_answer_was_lost_is_not_repeated(world: World, applied: str) -> None:
    world.vault.fail("set", applied=applied)  # type: ignore[arg-type]  # a literal
    assert not await world.set("one")
    await world.settle()
    assert world.vault_values() == ["one"] * (1 if applied == "once" else 2)
    assert world.vault.calls["set"] == 1
    await world.synced()
    assert (await world.head()).vault_version_id == world.vault.model.history(SECRET)[-1].id
    assert await world.values() == ["one"]


async def test_i4_a_set_that_arrives_late_does_not_bring_an_old_value_back(world: World) -> None:
    world.vault.fail("set", applied="late")
    await world.set("old")
    await world.settle()
    await world.set("new")
    world.clock.move(1)
    world.vault.apply_late()
    assert world.vault_values() == ["old", "new", "old"]
    world.clock.move(1)
    await world.synced()
    await world.settle()
    assert world.vault_values()[-1] == "new"
    assert await world.values() == ["old", "new", "new"]
    assert await world.audited("conflict") == 1


async def test_i4_an_update_that_arrives_late_does_not_undo_a_later_one(world: World) -> None:
    await world.set("one")
    world.vault.fail("update", applied="late")
    await world.update(tags={"stage": "first"})
    await world.settle()
    await world.update(tags={"stage": "second"})
    world.clock.move(1)
    world.vault.apply_late()
    await world.synced()
    await world.settle()
    (version,) = world.vault.model.history(SECRET)
    assert version.attributes.tags["stage"] == "second"
    assert (await world.ledger.versions(SECRET))[0].attributes.tags == {"stage": "second"}


async def test_a_life_in_an_outage_is_replayed_through_every_transition(world: World) -> None:
    world.vault.model.settle_s = 10
    world.vault.down = True
    await world.set("one")
    await world.update(content_type="text/plain")
    await world.delete()
    await world.recover()
    await world.set("two")
    await world.delete()
    await world.settle()
    assert world.vault_values() == ["one", "two"]
    assert world.vault.model.phase(SECRET) is Phase.DELETED
    assert world.vault.model.history(SECRET)[0].attributes.content_type == "text/plain"


async def test_i5_a_purged_value_never_reaches_key_vault_and_the_name_is_free_again(world: World) -> None:
    world.vault.model.settle_s = 10
    world.vault.down = True
    await world.set("purged")
    await world.delete()
    await world.purge()
    await world.set("fresh")
    await world.settle()
    assert world.vault_values() == ["fresh"]
    assert await world.values() == ["fresh"]


async def test_i5_a_purge_removes_what_key_vault_still_has_alive(world: World) -> None:
    world.vault.model.settle_s = 10
    await world.set("one")
    world.vault.down = True
    await world.delete()
    await world.purge()
    await world.settle()
    world.clock.move(20)
    assert world.vault.model.phase(SECRET) is None


async def test_i5_a_set_that_arrives_after_its_purge_is_purged_again(world: World) -> None:
    world.vault.fail("set", applied="late")
    await world.set("purged")
    await world.delete()
    await world.purge()
    await world.settle()
    world.clock.move(2)
    world.vault.apply_late()
    assert world.vault_values() == ["purged"]
    await world.synced()
    assert await world.ledger.head(SECRET) is None
    await world.settle()
    assert world.vault.model.phase(SECRET) is None


async def test_i5_a_set_that_arrives_while_its_purge_is_in_doubt_is_purged_as_well(world: World) -> None:
    world.vault.fail("set", applied="late")
    await world.set("purged")
    await world.delete()
    await world.settle()
    world.vault.fail("purge", applied="once")
    await world.purge()
    assert [row[:2] for row in await world.pending()] == [("purge", "open")]
    world.vault.apply_late()
    assert world.vault_values() == ["purged"]
    await world.settle()
    assert world.vault.model.phase(SECRET) is None
    assert await world.pending() == []


async def test_a_purge_spares_what_somebody_recovered_before_it(world: World) -> None:
    await world.set("ours")
    await world.delete()
    world.vault.model.recover(SECRET)
    world.vault.down = True
    world.clock.move(1)
    await world.purge()
    world.vault.down = False
    await world.settle()
    assert world.vault_values() == ["ours"]
    assert [row[:2] for row in await world.pending()] == [("purge", "parked")]


async def test_a_purge_spares_what_others_created_after_it(world: World) -> None:
    await world.set("ours")
    world.vault.down = True
    await world.delete()
    await world.purge()
    world.vault.down = False
    world.vault.model.delete(SECRET)
    world.vault.model.purge(SECRET)
    world.clock.move(1)
    assert world.vault.model.phase(SECRET) is None
    world.foreign_set("theirs")
    await world.settle()
    assert world.vault_values() == ["theirs"]
    assert [row[:2] for row in await world.pending()] == [("purge", "parked")]
    report = await world.reconciler.reconcile(discard=SECRET)
    assert (report.discarded, report.parked) == (1, [])
    assert await world.values() == ["theirs"]


async def test_a_value_of_an_outage_that_key_vault_refuses_is_parked_and_holds_up_nobody_else(world: World) -> None:
    other = SecretName("other")
    world.vault.down = True
    assert not await world.set("poison")
    await world.update(tags={"a": "b"})
    assert not await world.set("fine", name=other)
    world.vault.heal()
    world.vault.fail("set", Rejected("the tags are too long"))
    await world.replay()
    assert (world.vault_values(), world.vault_values(other)) == ([], ["fine"])
    (intent,) = await world.journal.parked()
    assert intent.last_error == "rejected: the tags are too long"
    report = await world.reconciler.reconcile(retry=True)
    assert (report.retried, report.parked) == (1, [])
    assert world.vault_values() == ["poison"]


async def test_a_set_of_an_outage_on_a_name_deleted_in_key_vault_is_parked_with_the_mend(world: World) -> None:
    await world.set("one")
    world.vault.down = True
    await world.set("two")
    world.vault.heal()
    world.vault.model.delete(SECRET)
    await world.replay()
    (intent,) = await world.journal.parked()
    assert intent.last_error is not None
    assert "recover or purge it there, then try again" in intent.last_error
    world.vault.model.recover(SECRET)
    await world.reconciler.reconcile(retry=True)
    assert world.vault_values() == ["one", "two"]


async def test_i8_a_value_that_does_not_authenticate_is_parked_not_sent(world: World) -> None:
    world.vault.down = True
    await world.set("one")
    async with world.database.connection() as connection:
        await connection.execute("UPDATE secrets_vault SET encrypted_value = translate(encrypted_value, 'Aa', 'aA')")
        await connection.execute('UPDATE secrets_vault SET tags = \'{"edited": "yes"}\'')
    with pytest.raises(IntegrityFailure):
        await world.values()
    await world.settle()
    assert world.vault_values() == []
    assert [row[:2] for row in await world.pending()] == [("set", "parked")]


async def test_a_purge_that_key_vault_refuses_us_is_told_and_destroys_nothing(world: World) -> None:
    await world.set("one")
    await world.delete()
    world.vault.fail("purge", NameRefused("403"))
    with pytest.raises(VaultRefusal) as refused:
        await world.purge()
    assert (refused.value.status, refused.value.vault_code) == (403, "Forbidden")
    await world.recover()
    assert (world.vault_values(), await world.values()) == (["one"], ["one"])


async def test_the_replay_stops_at_the_first_sign_of_an_outage(world: World) -> None:
    world.vault.down = True
    for number in range(10):
        await world.set("value", name=SecretName(f"secret-{number}"))
    before = world.vault.calls.total()
    await world.replay()
    assert world.vault.calls.total() - before == 1


async def test_a_foreign_version_is_not_overwritten_silently(world: World) -> None:
    await world.set("one")
    world.vault.down = True
    await world.set("acknowledged")
    world.vault.down = False
    world.foreign_set("foreign")
    await world.settle()
    assert world.vault_values() == ["one", "foreign", "acknowledged", "acknowledged"]
    assert await world.values() == ["one", "acknowledged", "foreign", "acknowledged"]
    assert world.adopter.conflicts == 1
    assert await world.audited("adopt") == 1
    assert await world.audited("conflict") == 1


async def test_a_foreign_version_after_ours_whose_answer_was_lost_stays_current(world: World) -> None:
    world.vault.fail("set", applied="once")
    await world.set("ours")
    world.foreign_set("theirs")
    await world.settle()
    assert world.vault_values() == ["ours", "theirs"]
    assert await world.values() == ["ours", "theirs"]
    assert world.adopter.conflicts == 0


async def test_a_foreign_copy_of_our_tags_is_foreign(world: World) -> None:
    await world.set("ours")
    (version,) = world.vault.model.history(SECRET)
    world.clock.move(1)
    world.vault.model.set(SECRET, "theirs", version.attributes)
    world.clock.move(1)
    await world.set("ours again")
    assert world.vault_values()[:2] == ["ours", "theirs"]
    assert "theirs" in await world.values()
    assert (await world.values())[-1] == "ours again"


async def test_a_lease_that_ran_out_sends_nothing(world: World) -> None:
    world.vault.down = True
    await world.set("one")
    world.vault.down = False
    world.vault.slow("get", 55)
    await world.replay()
    assert world.vault_values() == []
    await world.settle()
    assert world.vault_values() == ["one"]


async def test_a_late_holder_changes_nothing(world: World) -> None:
    world.vault.down = True
    await world.set("one")
    await world.make_due()
    await world.make_due()
    (late,) = await world.journal.claim(limit=1, lease=timedelta(0))
    world.vault.down = False
    await world.settle()
    assert not await world.journal.complete(late, vault_version_id="f" * 32)
    assert not await world.journal.park(late, "late", retry_in=timedelta(hours=1))
    assert not await world.journal.release(late, "late", retry_in=timedelta(0))
    assert (await world.head()).vault_version_id == world.vault.model.history(SECRET)[0].id


@pytest.mark.parametrize("point", CRASH_POINTS)
async def test_a_crash_at_any_point_loses_and_repeats_nothing(world: World, point: str) -> None:
    await world.set("one")
    world.vault.down = True
    await world.set("two")
    world.vault.down = False
    if point.startswith("adopt"):
        world.foreign_set("foreign")
    world.crash.point = point
    with pytest.raises(Crash):
        await world.replay()
    await world.kill()
    await world.settle()
    assert world.vault_values().count("two") == (2 if point.startswith("adopt") else 1)
    assert world.vault_values()[-1] == (await world.values())[-1] == "two"
    assert sorted(world.vault_values()) == sorted(await world.values())


async def test_the_crash_points_are_all_there_is(world: World) -> None:
    await world.set("one")
    world.vault.down = True
    await world.set("two")
    world.vault.down = False
    world.foreign_set("foreign")
    await world.settle()
    assert world.crash.passed == {*CRASH_POINTS, *PROPOSAL_CRASH_POINTS}


async def test_a_deleted_secret_whose_deletion_settles_slowly_is_told_as_replicated_only_then(world: World) -> None:
    world.vault.model.settle_s = 10
    await world.set("one")
    await world.delete()
    assert [row[0] for row in await world.pending()] == ["delete"]
    await world.settle()
    assert (await world.head()).state is State.DELETED
    assert world.vault.model.phase(SECRET) is Phase.DELETED


async def test_a_transition_of_others_is_waited_for(world: World) -> None:
    world.vault.fail("set", TransitionPending("ObjectIsBeingDeleted"), times=3)
    assert not await world.set("one")
    await world.settle()
    assert world.vault_values() == ["one"]


async def test_writers_of_one_secret_wait_for_one_another_and_all_are_replicated(world: World) -> None:
    replicated = await asyncio.gather(*(world.set(f"value-{number}") for number in range(5)))
    assert replicated == [True] * 5
    assert world.vault_values() == await world.values()


async def test_the_running_replay_looks_when_it_is_woken(world: World) -> None:
    world.vault.down = True
    await world.set("one")
    world.vault.heal()
    world.clock.move(61)
    await world.make_due()
    running = asyncio.create_task(world.replicator.run())
    while (await world.journal.status()).open:
        world.replicator.wake()
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert world.vault_values() == ["one"]


async def test_i4_a_set_of_unknown_outcome_is_not_repeated_because_a_foreign_write_came_after_it(world: World) -> None:
    await world.set("one")
    world.crash.point = "sent"
    with pytest.raises(Crash):
        await world.set("two")
    await world.kill()
    world.foreign_set("theirs")
    await world.synced()
    await world.settle()
    assert world.vault_values() == ["one", "two", "theirs"]
    assert await world.values() == ["one", "two", "theirs"]


async def test_i5_a_purge_that_had_to_delete_first_waits_for_that_to_settle_however_long_it_waited_before(
    world: World,
) -> None:
    world.vault.model.settle_s = 5.0
    await world.set("one")
    await world.delete()
    await world.settle()
    await world.recover()
    await world.delete()
    await world.purge()
    assert world.vault.model.phase(SECRET) is Phase.RECOVERING
    await world.settle()
    world.clock.move(60)
    assert world.vault.model.phase(SECRET) is None


async def test_a_change_that_was_never_sent_does_not_close_the_breaker(world: World) -> None:
    world.vault.model.read_only = True
    for number in range(5):
        await world.set("one", name=SecretName(f"k{number}"))
    assert world.primary.breakers["write"] == "open"
    world.clock.move(61)
    await world.make_due()
    (intent,) = await world.journal.claim(limit=1, lease=timedelta(minutes=1))
    too_late = Attempt(intent, until=world.clock.monotonic(), background=False)
    with pytest.raises(TransitionPending):
        await world.applier.apply(too_late)
    assert world.primary.breakers["write"] == "open"


async def test_a_node_that_stops_finishes_what_it_has_begun(world: World) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    put = world.vault.set

    async def slow(*arguments: Any) -> Any:
        begun.set()
        await go_on.wait()
        return await put(*arguments)

    world.vault.down = True
    await world.set("one")
    world.vault.heal()
    world.clock.move(61)
    await world.make_due()
    world.vault.set = slow  # type: ignore[method-assign, assignment]  # the same, later
    replay = asyncio.create_task(world.replicator.run())
    await begun.wait()
    replay.cancel()
    await asyncio.wait({replay})
    asyncio.get_running_loop().call_later(0.05, go_on.set)
    await world.replicator.aclose()
    assert await world.pending() == []
    assert world.vault_values() == ["one"]


async def test_a_writer_waits_for_whoever_has_its_change_in_hand(world: World) -> None:
    """The replay, of this node or of another, may claim a fresh intent before its writer does."""
    world.vault.down = True
    await world.set("one")
    await world.make_due()
    (held,) = await world.journal.claim(limit=1, lease=timedelta(minutes=1))
    pushed = asyncio.create_task(world.replicator.push(SECRET, held.id))
    await asyncio.sleep(0.01)
    assert await world.journal.complete(held, vault_version_id="a" * 32)
    assert await pushed


async def test_a_writer_does_not_wait_for_what_nobody_has_in_hand(world: World) -> None:
    world.vault.down = True
    await world.set("one")
    began = world.clock.monotonic()
    assert not await world.set("two")
    assert world.clock.monotonic() - began < 1
    await world.make_due()
    (held,) = await world.journal.claim(limit=1, lease=timedelta(minutes=1))
    began = world.clock.monotonic()
    assert not await world.replicator.push(SECRET, held.id)
    assert 0.9 < world.clock.monotonic() - began < 2
