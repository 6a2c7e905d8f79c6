"""What is wrong with one name keeps that name out of the mirror, and nothing else."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest

from holdfast.domain.names import SecretName
from holdfast.errors import (
    BackendRefused,
    BackendUnavailable,
    IntegrityFailure,
    NameRefused,
    NameUnavailable,
    OutcomeUnknown,
    Rejected,
    TransitionPending,
)
from holdfast.ports import KeptOut, OddEntry, VaultVersion
from holdfast.service.vault.keeping import LONGEST_PAUSE
from holdfast.service.vault.sync import VaultSync
from holdfast.stores.postgres.kept_out import PostgresKeptOut
from holdfast.stores.postgres.sync_state import PostgresSyncState
from tests.support.world import World

GOOD = [SecretName(f"good-{number}") for number in range(20)]
BAD = SecretName("good-7-bad")  # in the middle of the list


def everywhere(error: BackendUnavailable) -> BackendUnavailable:
    """An error that needs no second question."""
    error.certain = True
    return error


OF_ONE = {
    "refused": NameRefused("Key Vault answered 403 to get of 'good-7-bad'."),
    "failing": NameUnavailable("Key Vault answered 500 to get of 'good-7-bad'."),
    "rejected": Rejected("Key Vault answered 400."),
    "settling": TransitionPending("still settling"),
    "tampered": IntegrityFailure("the row was edited"),
    "unforeseen": KeyError("s3cret"),
    "unstorable": UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
}
OF_ALL = {
    "away": BackendUnavailable("nothing connects", certain=True),
    "unknown": OutcomeUnknown("PostgreSQL did not confirm the commit", certain=True),
    "no token": everywhere(BackendRefused("the token endpoint does not accept our credential")),
    "disk": OSError(28, "No space left on device"),
    "memory": MemoryError(),
}


async def kept_out(world: World) -> list[KeptOut]:
    return await PostgresKeptOut(world.database).names(limit=1000)


async def fill(world: World) -> None:
    for name in [*GOOD, BAD]:
        world.foreign_set(f"value of {name}", name)


async def check_good_ones(world: World) -> None:
    for name in GOOD:
        assert await world.values(name) == [f"value of {name}"]


@pytest.mark.parametrize("error", OF_ONE.values(), ids=OF_ONE)
async def test_i11_an_error_about_one_name_keeps_that_one_out(world: World, error: Exception) -> None:
    await fill(world)
    world.vault.failing[BAD] = error
    report = await world.synced()
    assert (report.seen, report.adopted, report.failed, report.incomplete) == (21, 20, 1, None)
    await check_good_ones(world)
    (kept,) = await kept_out(world)
    assert (kept.name, kept.attempts) == (BAD, 1)
    assert kept.reason == getattr(error, "code", "unexpected")
    assert "s3cret" not in kept.detail
    status = await PostgresSyncState(world.database).status()
    assert status.last_finished_at is not None
    assert status.last_error is None


@pytest.mark.parametrize("error", OF_ALL.values(), ids=OF_ALL)
async def test_what_is_not_about_one_name_ends_the_pass_and_is_filed_under_none(world: World, error: Exception) -> None:
    await fill(world)
    world.vault.failing[BAD] = error
    with pytest.raises(type(error)):
        await world.synced()
    assert await kept_out(world) == []
    status = await PostgresSyncState(world.database).status()
    assert status.last_finished_at is None
    assert status.last_error
    assert status.fault(timedelta(minutes=5), world.clock.now()) is not None


async def test_a_cancelled_pass_files_nothing(world: World) -> None:
    await fill(world)
    task = asyncio.create_task(world.synced())
    while not world.vault.calls["get"]:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await kept_out(world) == []


async def test_a_name_that_was_mirrored_is_served_on_while_it_is_kept_out(world: World) -> None:
    await fill(world)
    await world.synced()
    world.foreign_set("newer", BAD)
    world.vault.failing[BAD] = NameRefused("403")
    report = await world.synced()
    assert report.failed == 1
    assert await world.values(BAD) == [f"value of {BAD}"]
    del world.vault.failing[BAD]
    report = await world.synced()
    assert (report.changed, report.failed) == (1, 0)
    assert await kept_out(world) == []
    assert await world.values(BAD) == [f"value of {BAD}", "newer"]


async def test_a_name_that_is_gone_from_the_vault_is_no_longer_kept_out(world: World) -> None:
    await fill(world)
    world.vault.failing[BAD] = NameRefused("403")
    await world.synced()
    del world.vault.failing[BAD]
    world.vault.model.delete(BAD)
    assert (await world.synced()).failed == 0
    assert await kept_out(world) == []


async def again(world: World, sync: VaultSync) -> int:
    """How often a pass of a node asks for the one that is kept out."""
    before = world.vault.calls["failing"]
    assert (await sync.sync(all_due=False)).failed == 1
    return world.vault.calls["failing"] - before


async def test_what_is_kept_out_is_tried_again_with_back_off_and_at_once_when_it_changes(world: World) -> None:
    await fill(world)
    await world.synced()
    world.vault.failing[BAD] = NameRefused("403")
    world.foreign_set("newer", BAD)
    world.clock.move(60)
    await world.synced()
    assert await again(world, world.sync) == 0, "five minutes have not passed"
    world.foreign_set("newer still", BAD)
    assert await again(world, world.sync) > 0, "it has changed"
    assert await again(world, world.sync) == 0
    before = world.vault.calls["failing"]
    await world.synced()
    assert world.vault.calls["failing"] > before, "somebody asked"


async def test_pauses_are_doubled_up_to_an_hour(world: World) -> None:
    world.foreign_set("v", BAD)
    world.vault.failing[BAD] = NameRefused("403")
    pauses = []
    for _ in range(8):
        await world.synced()
        (kept,) = await kept_out(world)
        status = await PostgresSyncState(world.database).status()
        assert status.last_started_at is not None
        pauses.append(kept.next_attempt_at - status.last_started_at)
    assert pauses[:3] == [timedelta(minutes=5), timedelta(minutes=10), timedelta(minutes=20)]
    assert pauses[-1] == LONGEST_PAUSE
    assert kept.attempts == 8
    assert kept.since < kept.next_attempt_at - LONGEST_PAUSE


async def test_entries_that_cannot_be_read_are_named_and_those_that_can_by_name_are_mirrored(world: World) -> None:
    await fill(world)
    world.vault.odd_entries[BAD] = OddEntry(name="Good-7-Bad", reason="a time that is none")
    world.vault.odd_entries[GOOD[3]] = OddEntry(name="x" * 127, reason="a time that is none")
    world.vault.odd_entries[GOOD[4]] = OddEntry(name="", reason="no object")
    world.vault.odd_entries[GOOD[5]] = OddEntry(name="naïve", reason="its name is none of Key Vault's")
    world.vault.odd_entries[GOOD[6]] = OddEntry(name="", reason="no id")
    report = await world.synced()
    assert (report.adopted, report.failed) == (17, 4)
    assert await world.values(BAD) == [f"value of {BAD}"]
    assert {(kept.name, kept.reason, kept.detail) for kept in await kept_out(world)} == {
        ("nameless entry 1", "odd_entry", "no object"),
        ("nameless entry 2", "odd_entry", "no id"),
        ("naïve", "odd_entry", "its name is none of Key Vault's"),
        ("x" * 127, "odd_entry", "a time that is none"),
    }


async def test_an_edited_row_keeps_its_own_name_out(world: World) -> None:
    """A batch of rows is read in one question; one of them that was edited must not take the others along."""
    await fill(world)
    await world.synced()
    for name in GOOD[:3]:
        world.foreign_set("newer", name)
    async with world.database.connection() as connection:
        await connection.execute("UPDATE secrets_vault SET display_name = 'edited' WHERE secret_name = $1", GOOD[9])
    report = await world.synced()
    assert (report.changed, report.failed) == (3, 1)
    assert [(kept.name, kept.reason) for kept in await kept_out(world)] == [(GOOD[9], "integrity_failure")]


async def test_values_of_former_versions_are_fetched_though_one_secret_cannot_be_read(world: World) -> None:
    lost, whole = GOOD[:2]
    for name in (lost, whole):
        for number in range(30):
            world.foreign_set(f"value {number}", name)
    await world.synced()
    async with world.database.connection() as connection:
        await connection.execute("UPDATE secrets_vault SET display_name = 'edited' WHERE secret_name = $1", lost)
    await world.adopter.fetcher.fetch_everywhere()
    async with world.database.connection() as connection:
        lacking = await connection.fetch(
            "SELECT DISTINCT secret_name FROM secrets_vault JOIN secret_versions USING (incarnation) "
            "WHERE secret_versions.key_id IS NULL"
        )
    assert [row["secret_name"] for row in lacking] == [lost]


class Endless:
    """A vault whose listing goes on for ever, with entries that tell no name."""

    def __init__(self, world: World) -> None:
        self._secrets = world.vault.secrets

    async def __call__(self) -> AsyncGenerator[VaultVersion | OddEntry, None]:
        async for entry in self._secrets():
            yield entry
        while True:
            yield OddEntry(name="", reason="it holds no id of a secret")


async def test_a_listing_of_nameless_entries_without_end_ends_and_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(world)
    monkeypatch.setattr(world.vault, "secrets", Endless(world))
    report = await world.synced()
    assert report.adopted == 21
    assert report.incomplete is not None
    await check_good_ones(world)


class Rings:
    """A vault whose listing begins anew when it is through, for ever."""

    def __init__(self, world: World) -> None:
        self._secrets = world.vault.secrets

    async def __call__(self) -> AsyncGenerator[VaultVersion | OddEntry, None]:
        while True:
            async for entry in self._secrets():
                yield entry


async def test_a_listing_that_goes_round_in_circles_ends_and_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(world)
    monkeypatch.setattr(world.vault, "secrets", Rings(world))
    report = await world.synced()
    assert report.adopted == 21
    assert report.incomplete == "Key Vault's list of secrets is not whole: it goes round in circles"
    status = await PostgresSyncState(world.database).status()
    assert status.last_error == report.incomplete


async def test_an_identity_that_may_not_list_mirrors_by_name_and_says_what_it_lacks(world: World) -> None:
    await fill(world)
    await world.synced()
    world.foreign_set("newer", GOOD[1])
    forbidden = BackendRefused("Key Vault answered 403 to list of '*': our identity may not do this.", forbidden=True)
    world.vault.fail("secrets", forbidden, times=9)
    world.vault.fail("deleted_secrets", forbidden, times=9)
    report = await world.synced()
    assert report.changed == 1
    assert report.incomplete is not None
    assert "no right to it" in report.incomplete
    assert report.lacking is not None
    assert await world.values(GOOD[1]) == [f"value of {GOOD[1]}", "newer"]


async def test_a_forbidden_listing_of_deleted_secrets_fails_no_pass(world: World) -> None:
    await fill(world)
    world.vault.fail("deleted_secrets", BackendRefused("403", forbidden=True), times=9)
    report = await world.synced()
    assert (report.adopted, report.incomplete) == (21, None)
    status = await PostgresSyncState(world.database).status()
    assert status.last_finished_at is not None
    assert status.lacking == "Key Vault's list of deleted secrets is not whole: our identity has no right to it (403)"
