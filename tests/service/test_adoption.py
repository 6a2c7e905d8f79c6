"""Foreign changes: taken over, never overwritten silently, and never a reason to delete anything here."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from msgspec.structs import replace

from holdfast.domain.intent import MARKER_TAG, Marker
from holdfast.domain.names import SecretName
from holdfast.domain.secret import Attributes, State
from holdfast.errors import BackendUnavailable, IntegrityFailure, Rejected, SecretDisabled, TransitionPending
from holdfast.ports import OddEntry, VaultVersion
from holdfast.stores.postgres.sync_state import PostgresSyncState
from tests.support.memory_vault import MemoryVault
from tests.support.vault_model import Phase
from tests.support.world import SECRET, World


async def test_a_secret_of_others_is_adopted_with_its_whole_history(world: World) -> None:
    for value in ("one", "two", "three"):
        world.foreign_set(value)
    head = await world.adopter.refresh(SECRET)
    assert head is not None
    assert await world.values() == ["one", "two", "three"]
    history = world.vault.model.history(SECRET)
    assert (head.version, head.vault_version_id, head.open_intents) == (3, history[-1].id, 0)
    world.sealer.verify(head.facts(), head.attestation)
    versions = await world.ledger.versions(SECRET)
    assert [v.created_at for v in versions] == [v.created_at for v in history]
    assert await world.audited("adopt") == 1


async def test_a_disabled_version_is_adopted_without_its_value_until_it_is_enabled(world: World) -> None:
    world.foreign_set("hidden", enabled=False)
    await world.adopter.refresh(SECRET)
    with pytest.raises(SecretDisabled):
        await world.values()
    world.vault.model.update(SECRET, None, lambda attributes: replace(attributes, enabled=True))
    await world.adopter.refresh(SECRET)
    assert await world.values() == ["hidden"]


async def test_enabling_here_what_was_never_disclosed_fetches_its_value(world: World) -> None:
    world.foreign_set("hidden", enabled=False)
    await world.adopter.refresh(SECRET)
    await world.update(enabled=True)
    assert await world.values() == ["hidden"]


async def test_enabling_here_what_was_never_disclosed_fetches_its_value_though_it_is_no_longer_current(
    world: World,
) -> None:
    world.foreign_set("hidden", enabled=False)
    await world.adopter.refresh(SECRET)
    world.vault.down = True
    await world.update(enabled=True)
    world.vault.heal()
    world.foreign_set("current")
    await world.synced()
    await world.replay()
    await world.synced()
    assert await world.values() == ["hidden", "current"]


async def test_a_foreign_version_becomes_the_next_generation(world: World) -> None:
    await world.set("ours")
    world.foreign_set("theirs")
    head = await world.adopter.refresh(SECRET)
    assert head is not None
    assert (head.version, await world.values()) == (2, ["ours", "theirs"])
    assert world.vault_values() == ["ours", "theirs"]


async def test_a_foreign_version_between_our_look_and_our_put_is_found_and_ours_stays_current(world: World) -> None:
    await world.set("ours")
    secret = next(iter(world.vault.model))
    world.foreign_set("theirs")
    secret.versions.reverse()  # it came first, in the same second
    for version in secret.versions:
        version.created_at = secret.versions[0].created_at
    await world.adopter.refresh(SECRET)
    await world.settle()
    assert await world.values() == ["ours", "theirs", "ours"]
    assert world.vault_values() == ["theirs", "ours", "ours"]


class _Meddled(MemoryVault):
    """Something happens, once, while the versions are being listed."""

    meddle: Callable[[], Awaitable[object]] | None = None

    async def versions(self, name: SecretName) -> AsyncGenerator[VaultVersion | OddEntry, None]:
        meddle, self.meddle = self.meddle, None
        async for version in super().versions(name):
            yield version
        if meddle:
            await meddle()


async def test_a_write_between_the_look_and_the_takeover_makes_us_look_again(world: World) -> None:
    vault = _Meddled(world.clock)
    world = World(world.database, vault, world.clock)
    await world.set("one")
    world.foreign_set("theirs")
    vault.meddle = lambda: world.set("acknowledged")
    await world.adopter.refresh(SECRET)
    await world.settle()
    assert await world.values() == ["one", "theirs", "acknowledged"]
    assert world.vault_values() == ["one", "theirs", "acknowledged"]


async def test_many_who_adopt_the_same_secret_at_once_all_get_it(world: World) -> None:
    for round_ in range(10):
        name = SecretName(f"new-{round_}")
        world.foreign_set("theirs", name)
        heads = await asyncio.gather(*(world.adopter.refresh(name) for _ in range(4)))
        assert {head.version for head in heads if head} == {1}
        assert None not in heads


async def test_a_marker_of_another_installation_is_foreign_and_not_shown(world: World) -> None:
    tags = {MARKER_TAG: str(Marker(7, uuid4())), "team": "payments"}
    world.vault.model.set(SECRET, "theirs", Attributes(tags=tags))
    await world.adopter.refresh(SECRET)
    (version,) = await world.ledger.versions(SECRET)
    assert dict(version.attributes.tags) == {"team": "payments"}


async def test_attributes_edited_in_key_vault_are_taken_over(world: World) -> None:
    await world.set("one", tags={"team": "payments"})
    expiry = world.clock.now().replace(microsecond=0) + timedelta(days=30)
    world.vault.model.update(
        SECRET, None, lambda _: Attributes(enabled=False, expires_at=expiry, content_type="text/plain", tags={"a": "b"})
    )
    await world.adopter.refresh(SECRET)
    (version,) = await world.ledger.versions(SECRET)
    assert version.attributes == Attributes(
        enabled=False, expires_at=expiry, content_type="text/plain", tags={"a": "b"}
    )
    assert await world.values() == ["one"]
    assert (await world.journal.status()).open == 0


async def test_attributes_edited_in_key_vault_do_not_undo_an_accepted_update(world: World) -> None:
    await world.set("one")
    world.vault.down = True
    await world.update(content_type="ours")
    world.vault.heal()
    world.vault.model.update(SECRET, None, lambda a: replace(a, content_type="theirs"))
    world.clock.move(61)
    await world.adopter.refresh(SECRET)
    assert (await world.ledger.versions(SECRET))[0].attributes.content_type == "ours"
    await world.settle()
    assert world.vault.model.history(SECRET)[0].attributes.content_type == "ours"


async def test_i5_a_deletion_in_key_vault_is_honoured_and_so_is_its_recovery(world: World) -> None:
    await world.set("one")
    incarnation = (await world.head()).incarnation
    world.vault.model.delete(SECRET)
    deleted = await world.adopter.refresh(SECRET)
    assert deleted is not None
    assert (deleted.state, deleted.incarnation) == (State.DELETED, incarnation)
    assert deleted.scheduled_purge_at is not None
    world.clock.move(61)  # before that, it may merely be behind
    world.vault.model.recover(SECRET)
    living = await world.adopter.refresh(SECRET)
    assert living is not None
    assert (living.state, living.deleted_at, await world.values()) == (State.ACTIVE, None, ["one"])


async def test_a_late_deletion_of_ours_does_not_undo_a_recovery_that_was_acknowledged(world: World) -> None:
    await world.set("one")
    world.vault.fail("delete", applied="late")
    await world.delete()
    await world.replay()
    await world.recover()
    assert (await world.pending(), world.vault.apply_late()) == ([], 1)
    assert world.vault.model.phase(SECRET) is Phase.DELETED
    head = await world.adopter.refresh(SECRET)
    assert head is not None
    assert (head.state, await world.audited("conflict")) == (State.ACTIVE, 1)
    await world.settle()
    assert world.vault.model.phase(SECRET) is Phase.ACTIVE
    assert (await world.head()).state is State.ACTIVE


async def test_a_late_recovery_of_ours_does_not_undo_a_deletion_that_was_acknowledged(world: World) -> None:
    await world.set("one")
    await world.delete()
    world.vault.fail("recover", applied="late")
    await world.recover()
    await world.replay()
    await world.delete()
    world.clock.move(61)  # no longer may Key Vault be behind
    assert (await world.pending(), world.vault.apply_late()) == ([], 1)
    head = await world.adopter.refresh(SECRET)
    assert head is not None
    assert (head.state, await world.audited("conflict")) == (State.DELETED, 1)
    await world.settle()
    assert world.vault.model.phase(SECRET) is Phase.DELETED
    assert (await world.head()).state is State.DELETED


async def test_a_deletion_in_key_vault_is_honoured_after_an_undisputed_one_of_ours_was_recovered(world: World) -> None:
    await world.set("one")
    await world.delete()
    await world.recover()
    world.vault.model.delete(SECRET)
    head = await world.adopter.refresh(SECRET)
    assert head is not None
    assert (head.state, await world.pending()) == (State.DELETED, [])


async def test_a_secret_that_is_simply_gone_is_flagged_and_kept(world: World) -> None:
    await world.set("one")
    world.vault.model.reset()
    head = await world.adopter.refresh(SECRET)
    assert head is not None
    assert (head.drift, head.state, await world.values()) == ("missing_in_vault", State.ACTIVE, ["one"])
    assert [drifting.name for drifting in (await world.reconciler.reconcile()).drifting] == [SECRET]
    await world.set("two")
    assert (await world.head()).drift is None


async def test_i8_an_edited_head_is_not_attested_anew(world: World) -> None:
    await world.set("one")
    await world.set("two")
    async with world.database.connection() as connection:
        await connection.execute("UPDATE secrets_vault SET version_id = $1", "0" * 32)
    world.foreign_set("theirs")
    with pytest.raises(IntegrityFailure):
        await world.adopter.refresh(SECRET)


async def test_giving_up_a_parked_write_lets_key_vault_s_state_stand(world: World) -> None:
    await world.set("theirs")
    world.vault.down = True
    await world.set("refused")
    world.vault.heal()
    world.vault.fail("set", Rejected("no"))
    await world.replay()
    assert len(await world.journal.parked()) == 1
    await world.reconciler.reconcile(discard=SECRET)
    assert await world.values() == ["theirs", "refused", "theirs"]
    assert world.vault_values() == ["theirs"]
    assert (await world.journal.status()).open == 0


async def test_refresh_does_not_move_the_revision_when_nothing_changed(world: World) -> None:
    await world.set("one")
    await world.adopter.refresh(SECRET)
    before = await world.head()
    await world.adopter.refresh(SECRET)
    assert (await world.head()).revision == before.revision
    assert (await world.head()).verified_at >= before.verified_at


# --- the whole vault -------------------------------------------------------------------------------------------------


async def test_the_whole_vault_is_mirrored_and_then_only_what_changed(world: World) -> None:
    names = [SecretName(f"secret-{number:03}") for number in range(30)]
    for name in names:
        world.vault.model.set(name, f"value of {name}", Attributes())
    told: list[tuple[int, int, int]] = []
    world.clock.move(3600)
    report = await world.sync.sync(lambda *progress: told.append(progress))
    assert (report.seen, report.adopted, report.changed, report.missing) == (30, 30, 0, 0)
    assert told[-1] == (30, 30, 30)
    assert await world.values(names[7]) == ["value of secret-007"]
    await _let_a_minute_pass(world)
    world.vault.calls.clear()
    world.foreign_set("new", names[3])
    report = await world.synced()
    assert (report.seen, report.adopted, report.changed) == (30, 0, 1)
    assert world.vault.calls == {"secrets": 1, "deleted_secrets": 1, "get": 1, "versions": 1}


async def test_a_sync_notices_deletions_and_absences_and_deletes_nothing(world: World) -> None:
    deleted, gone, kept = (SecretName(name) for name in ("deleted", "gone", "kept"))
    for name in (deleted, gone, kept):
        await world.set("value", name=name)
    world.vault.model.delete(deleted)
    world.vault.model.delete(gone)
    world.vault.model.purge(gone)
    world.vault.model.phase(gone)
    report = await world.synced()
    assert (report.seen, report.deleted, report.missing) == (1, 1, 1)
    assert (await world.head(deleted)).state is State.DELETED
    assert ((await world.head(gone)).drift, await world.values(gone)) == ("missing_in_vault", ["value"])
    assert (await world.head(kept)).drift is None


async def test_i5_what_a_pending_purge_will_destroy_is_not_adopted_into_the_next_life(world: World) -> None:
    await world.set("purged")
    world.foreign_set("purged as well")
    world.vault.down = True
    await world.delete()
    await world.purge()
    await world.set("fresh")
    world.vault.heal()
    world.clock.move(61)
    await world.adopter.refresh(SECRET)
    await world.settle()
    assert await world.values() == world.vault_values() == ["fresh"]


async def test_older_versions_edited_in_key_vault_are_taken_over_along_with_a_newer_one(world: World) -> None:
    await world.set("ours")
    world.vault.model.update(SECRET, None, lambda a: replace(a, content_type="theirs"))
    world.foreign_set("theirs")
    await world.adopter.refresh(SECRET)
    assert [version.attributes.content_type for version in await world.ledger.versions(SECRET)] == ["theirs", None]


async def test_i5_a_pending_purge_is_not_undone_by_a_sync(world: World) -> None:
    await world.set("purged")
    world.vault.down = True
    await world.delete()
    await world.purge()
    world.vault.heal()
    world.clock.move(61)
    await world.synced()
    assert await world.ledger.head(SECRET) is None
    await world.settle()
    assert world.vault.model.phase(SECRET) is None


async def test_a_sync_stops_at_an_outage_and_says_so(world: World) -> None:
    world.foreign_set("one")
    world.vault.fail("versions", BackendUnavailable("nothing connects", certain=True))
    with pytest.raises(BackendUnavailable):
        await world.synced()
    status = await PostgresSyncState(world.database).status()
    assert (status.last_finished_at, status.last_error) == (None, "nothing connects")
    world.clock.move(61)
    assert (await world.synced()).adopted == 1


async def test_one_broken_row_does_not_end_a_sync(world: World) -> None:
    await world.set("one")
    async with world.database.connection() as connection:
        await connection.execute("UPDATE secrets_vault SET attestation = 'edited'")
    world.foreign_set("theirs")
    world.foreign_set("fine", SecretName("other"))
    report = await world.synced()
    assert (report.failed, report.adopted) == (1, 1)
    assert await world.values() == ["one"]


async def test_one_node_leads_at_a_time_and_a_lost_lead_ends_nothing_of_its_successor(world: World) -> None:
    state = PostgresSyncState(world.database)
    first = await state.lead(uuid4(), timedelta(minutes=1))
    assert first is not None
    assert await state.lead(uuid4(), timedelta(minutes=1)) is None
    with pytest.raises(TransitionPending):
        await world.synced()
    assert await state.renew(first, timedelta(0))
    second = await state.lead(uuid4(), timedelta(minutes=1))
    assert second is not None
    assert second.fence > first.fence
    assert not await state.renew(first, timedelta(minutes=1))
    assert not await state.finish(first)
    assert await state.finish(second)
    assert (await state.status()).last_started_at == second.started_at


async def test_a_secret_recovered_in_key_vault_is_found_by_the_sync(world: World) -> None:
    await world.set("one")
    await world.delete()
    world.clock.move(61)
    world.vault.model.recover(SECRET)
    assert world.vault.model.phase(SECRET) is Phase.ACTIVE
    report = await world.synced()
    assert (report.changed, (await world.head()).state) == (1, State.ACTIVE)


async def _let_a_minute_pass(world: World) -> None:
    """As if the last look had been a minute after the last change."""
    async with world.database.connection() as connection:
        await connection.execute("UPDATE secrets_vault SET verified_at = vault_updated_at + interval '1 minute'")


async def test_i5_a_replica_that_is_behind_does_not_bring_a_deleted_secret_back(world: World) -> None:
    await world.set("one")
    await world.delete()
    world.vault.model.recover(SECRET)  # as a replica shows it that has yet to hear of the deletion
    await world.synced()
    assert (await world.head()).state is State.DELETED
    world.vault.model.delete(SECRET)
    world.clock.move(120)
    await world.synced()
    assert (await world.head()).state is State.DELETED
    world.vault.model.recover(SECRET)
    await world.synced()
    assert (await world.head()).state is State.ACTIVE
