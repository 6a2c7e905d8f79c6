"""A refusal of Key Vault is told, and what it refused was never there (I2, I3, I4)."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from holdfast.domain.names import SecretName
from holdfast.domain.policy import Permission
from holdfast.domain.secret import Attributes, SecretSettings, SecretValue, State, WriteResult
from holdfast.errors import (
    BackendUnavailable,
    NameRefused,
    NameUnavailable,
    OutcomeUnknown,
    Rejected,
    SecretDeleted,
    TransitionPending,
    VaultRefusal,
)
from holdfast.service.crashpoints import PROPOSAL_CRASH_POINTS
from holdfast.service.secrets.wishes import NewVersion
from tests.support.vault_model import Phase
from tests.support.world import SECRET, SYSTEM, Crash, World

POLICY = VaultRefusal("A policy refuses it.", status=403, vault_code="ForbiddenByPolicy")

Change = Callable[[World], Awaitable[object]]


async def keyed(world: World, value: str, key: str) -> WriteResult:
    """Set a value under an idempotency key."""
    new = NewVersion(
        display_name=SECRET,
        value=SecretValue(value),
        attributes=Attributes(),
        settings=SecretSettings(),
        idempotency_key=key,
    )
    async with world.guard.operation(SYSTEM, Permission.SET, SECRET, "set") as authorized:
        return await world.writer.set(authorized, new)


async def test_a_refused_set_is_told_and_nothing_of_it_is_seen(world: World) -> None:
    world.vault.fail("set", POLICY)
    with pytest.raises(VaultRefusal) as refused:
        await world.set("no expiry")
    assert (refused.value.status, refused.value.vault_code) == (403, "ForbiddenByPolicy")
    assert await world.ledger.head(SECRET) is None
    assert await world.pending() == []


async def test_a_refused_set_of_a_secret_leaves_its_former_version_current(world: World) -> None:
    await world.set("one")
    before = await world.head()
    world.vault.fail("set", NameRefused("403"))
    with pytest.raises(VaultRefusal):
        await world.set("two")
    assert await world.head() == before
    assert await world.set("three")
    assert (await world.values(), world.vault_values()) == (["one", "three"], ["one", "three"])


@pytest.mark.parametrize(
    ("operation", "change"),
    [
        ("update", lambda world: world.update(tags={"a": "b"})),
        ("delete", World.delete),
    ],
)
async def test_a_refused_change_of_a_living_secret_changes_nothing(
    world: World, operation: str, change: Change
) -> None:
    await world.set("one")
    before = await world.head()
    world.vault.fail(operation, POLICY)
    with pytest.raises(VaultRefusal):
        await change(world)
    assert await world.head() == before
    assert (await world.ledger.versions(SECRET))[0].attributes == Attributes()
    assert await world.pending() == []
    await change(world)


@pytest.mark.parametrize(("operation", "change"), [("recover", World.recover), ("purge", World.purge)])
async def test_a_refused_change_of_a_deleted_secret_changes_nothing(
    world: World, operation: str, change: Change
) -> None:
    await world.set("one")
    await world.delete()
    before = await world.head()
    world.vault.fail(operation, POLICY)
    with pytest.raises(VaultRefusal):
        await change(world)
    assert await world.head() == before
    await change(world)
    assert world.vault.model.phase(SECRET) is (Phase.ACTIVE if operation == "recover" else None)


async def test_a_name_that_is_deleted_in_key_vault_is_refused_at_once(world: World) -> None:
    world.foreign_set("theirs")
    world.vault.model.delete(SECRET)
    with pytest.raises(SecretDeleted):
        await world.set("ours")
    assert (await world.head()).state is State.DELETED
    assert await world.pending() == []
    await world.recover()
    assert world.vault.model.phase(SECRET) is Phase.ACTIVE


async def test_nobody_sees_a_change_before_key_vault_has_it(world: World) -> None:
    await world.set("one")
    asked, answer = asyncio.Event(), asyncio.Event()
    put = world.vault.set

    async def slow(*arguments: object) -> object:
        asked.set()
        await answer.wait()
        return await put(*arguments)  # type: ignore[arg-type]  # handed on as they came

    world.vault.set = slow  # type: ignore[assignment,method-assign]  # a vault that takes its time
    writing = asyncio.create_task(world.set("two"))
    await asyncio.wait_for(asked.wait(), 30)
    head = await world.head()
    assert (head.version, head.open_intents, await world.values()) == (1, 1, ["one"])
    await world.synced()
    assert (await world.head()).version == 1
    answer.set()
    assert await asyncio.wait_for(writing, 30)
    assert (await world.values(), world.vault_values()) == (["one", "two"], ["one", "two"])


async def test_i4_the_same_key_is_told_the_same_refusal_and_a_new_one_tries_again(world: World) -> None:
    world.vault.fail("set", POLICY)
    for _ in range(2):
        with pytest.raises(VaultRefusal) as refused:
            await keyed(world, "v", "once")
        assert (refused.value.status, refused.value.vault_code, str(refused.value)) == (
            403,
            "ForbiddenByPolicy",
            "A policy refuses it.",
        )
    assert world.vault.calls["set"] == 1
    assert (await keyed(world, "v", "twice")).replicated
    assert world.vault_values() == ["v"]


@pytest.mark.parametrize(
    "error",
    [
        BackendUnavailable("away"),
        OutcomeUnknown("lost"),
        TransitionPending("ObjectIsBeingDeleted"),
        NameUnavailable("500"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_change_that_key_vault_does_not_refuse_is_accepted_and_replayed(
    world: World, error: BackendUnavailable
) -> None:
    world.vault.fail("set", error)
    assert not await world.set("one")
    assert await world.values() == ["one"]
    await world.settle()
    assert world.vault_values() == ["one"]


@pytest.mark.parametrize("point", PROPOSAL_CRASH_POINTS)
@pytest.mark.parametrize("kind", ["set", "update", "delete", "recover", "purge"])
async def test_a_death_at_any_point_leaves_nothing_half(world: World, kind: str, point: str) -> None:
    changes: dict[str, Change] = {
        "set": lambda world: world.set("two"),
        "update": lambda world: world.update(tags={"stage": "b"}),
        "delete": World.delete,
        "recover": World.recover,
        "purge": World.purge,
    }
    await world.set("one")
    if kind in ("recover", "purge"):
        await world.delete()
    before = await world.ledger.head(SECRET)
    world.crash.point = point
    with pytest.raises(Crash):
        await changes[kind](world)
    await world.kill()
    if point != "enacted":
        after = await world.ledger.head(SECRET)
        assert before is not None
        assert after is not None
        assert (after.revision, after.version, after.state) == (before.revision, before.version, before.state)
    await world.settle()
    head = await world.ledger.head(SECRET)
    assert await world.pending() == []
    if kind == "purge":
        assert (head, world.vault.model.phase(SECRET)) == (None, None)
        return
    assert head is not None
    assert head.state is (State.DELETED if kind == "delete" else State.ACTIVE)
    assert world.vault.model.phase(SECRET) is (Phase.DELETED if kind == "delete" else Phase.ACTIVE)
    assert await world.values() == world.vault_values() == (["one", "two"] if kind == "set" else ["one"])
    if kind == "update":
        assert world.vault.model.history(SECRET)[0].attributes.tags["stage"] == "b"


async def test_a_change_whose_maker_died_and_that_key_vault_refuses_is_parked(world: World) -> None:
    world.crash.point = "proposed"
    with pytest.raises(Crash):
        await world.set("refused")
    await world.kill()
    world.vault.fail("set", POLICY)
    await world.replay()
    assert [row[:2] for row in await world.pending()] == [("set", "parked")]
    assert await world.values() == ["refused"]


async def test_i4_who_repeats_the_request_of_a_dead_node_is_told_what_became_of_it(world: World) -> None:
    world.crash.point = "sent"
    with pytest.raises(Crash):
        await keyed(world, "v", "once")
    await world.kill()
    await world.settle()
    again = await keyed(world, "v", "once")
    assert (again.version, again.replicated) == (1, True)
    assert (world.vault_values(), await world.values()) == (["v"], ["v"])


async def test_i4_a_proposal_that_was_edited_is_no_success_for_who_repeats_the_request(world: World) -> None:
    world.crash.point = "proposed"
    with pytest.raises(Crash):
        await keyed(world, "v", "once")
    await world.kill()
    async with world.database.connection() as connection:
        await connection.execute("UPDATE secret_proposals SET change = change || 'x'::bytea")
    await world.settle()
    with pytest.raises(Rejected, match="given up"):
        await keyed(world, "v", "once")
    assert (world.vault_values(), await world.pending()) == ([], [])
    assert (await keyed(world, "v", "another")).version == 1


async def test_a_maker_whose_lease_ran_out_decides_nothing_any_more(world: World) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(*_: object) -> object:
        asked.set()
        await answer.wait()
        raise POLICY

    put, world.vault.set = world.vault.set, slow  # type: ignore[assignment,method-assign]  # it freezes there
    writing = asyncio.create_task(world.set("one"))
    await asyncio.wait_for(asked.wait(), 30)
    async with world.database.connection() as connection:
        await connection.execute("UPDATE secret_intents SET lease_until = now()")
    other = World(world.database, world.vault, world.clock)
    world.vault.set = put  # type: ignore[method-assign]  # for whoever takes over
    await other.settle()
    assert other.vault_values() == ["one"]
    answer.set()
    assert await asyncio.wait_for(writing, 30)
    assert await world.values() == ["one"]


async def test_a_change_waits_for_the_one_of_another_node(world: World) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()
    put = world.vault.set

    async def slow(*arguments: object) -> object:
        asked.set()
        await answer.wait()
        return await put(*arguments)  # type: ignore[arg-type]  # handed on as they came

    world.vault.set = slow  # type: ignore[assignment,method-assign]  # the first one takes its time
    first = asyncio.create_task(world.set("one"))
    await asyncio.wait_for(asked.wait(), 30)
    world.vault.set = put  # type: ignore[method-assign]  # the second one need not
    async with world.database.connection() as connection:  # for a machine on which the wait takes longer than the lease
        await connection.execute("UPDATE secret_intents SET lease_until = now() + interval '1 hour'")
    other = World(world.database, world.vault, world.clock)
    world.vault.calls.clear()
    with pytest.raises(TransitionPending):  # its clock runs ahead while nothing happens
        await other.set("two")
    assert world.vault.calls.total() == 1  # waiting costs Key Vault nothing (I12)
    answer.set()
    assert await asyncio.wait_for(first, 30)
    assert await other.set("two")
    assert world.vault_values() == await world.values() == ["one", "two"]


async def test_concurrent_changes_of_one_secret_are_in_the_same_order_on_both_sides(world: World) -> None:
    other = SecretName("other")
    await asyncio.gather(*(world.set(f"{n}", name=name) for n in range(6) for name in (SECRET, other)))
    for name in (SECRET, other):
        assert world.vault_values(name) == await world.values(name) == [f"{n}" for n in range(6)]


async def test_i12_a_refused_set_costs_one_look_and_one_put(world: World) -> None:
    world.vault.fail("set", POLICY)
    with pytest.raises(VaultRefusal):
        await world.set("one")
    assert world.vault.calls == {"get": 1, "set": 1}


async def test_a_caller_who_gives_up_waiting_does_not_stop_the_change(world: World) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()
    put = world.vault.set

    async def slow(*arguments: object) -> object:
        asked.set()
        await answer.wait()
        return await put(*arguments)  # type: ignore[arg-type]  # handed on as they came

    world.vault.set = slow  # type: ignore[assignment,method-assign]  # a vault that takes its time
    writing = asyncio.create_task(world.set("one"))
    await asyncio.wait_for(asked.wait(), 30)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    answer.set()
    await world.maker.aclose()
    assert (world.vault_values(), await world.values()) == (["one"], ["one"])
    assert await world.journal.take_orphans(limit=9, lease=timedelta(0)) == []
