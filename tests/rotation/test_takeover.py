"""A rotation whose holder died, froze or lost PostgreSQL: who goes on, and what the former holder still does."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from signal import SIGKILL
from typing import Any
from uuid import uuid4

import pytest
from redis import asyncio as redis

from holdfast.bootstrap.rotation import built_in
from holdfast.domain.names import SecretName
from holdfast.domain.rotation import Phase, RotationRun, Trigger
from holdfast.domain.secret import SecretValue
from holdfast.errors import BackendUnavailable, RotationFailed, RotationInProgress
from holdfast.ports import Rotation
from holdfast.service.rotation.holding import LEASE, Fenced, Holding
from tests.rotation.killed import Ground, begin, check_current
from tests.rotation.target import SingleSlotHandler, Target, TargetHandler
from tests.rotation.test_rotation import NAME
from tests.support.clock import VirtualClock
from tests.support.node import Inside, opened, rows
from tests.support.postgres import execute

LONG = "UPDATE rotation_runs SET lease_until = now() + interval '1 hour'"
"""No lease ends within a test: what goes on does so for another reason."""


@pytest.mark.parametrize("point", ["begun", "applying", "applied", "tested"])
async def test_i10_what_a_killed_node_was_at_goes_on_at_once(ground: Ground, inside: Inside, point: str) -> None:
    """A role has one password: until somebody goes on, only the candidate logs in."""
    life = begin(ground, ("postgresql",), (point, SIGKILL))
    assert [await life.hears(), await life.hears()] == ["ready", point]
    await life.ended()
    await execute(ground.dsn, LONG)
    async with asyncio.timeout(60):
        while not await rows(ground.dsn, "SELECT FROM rotation_runs WHERE phase = 'retired'"):
            await inside.service.execute_scheduled_rotations()
            await asyncio.sleep(0.05)
    await check_current(ground, inside)


@pytest.fixture
async def pair(database_url: str, data_folder: Path) -> AsyncIterator[tuple[Inside, Inside, Target]]:
    """Two nodes, and a target with one password."""
    target = Target("first", slots=1)
    async with opened(database_url, data_folder) as one, opened(database_url, data_folder) as two:
        for node in (one, two):
            node.service.register_rotation_handler(NAME, SingleSlotHandler(target))
        await one.service.set_secret(NAME, "first")
        yield one, two, target


async def test_what_a_living_node_is_at_is_left_to_it(pair: tuple[Inside, Inside, Target]) -> None:
    one, two, target = pair
    target.faults = ["late"]
    going = asyncio.create_task(one.service.rotate_secret(NAME))
    while not target.calls:
        await asyncio.sleep(0.01)
    assert await two.service.execute_scheduled_rotations() == []
    target.awake.set()
    assert (await going).phase is Phase.RETIRED


async def test_i10_a_person_takes_over_from_a_holder_that_hangs(
    pair: tuple[Inside, Inside, Target], database_url: str
) -> None:
    one, two, target = pair
    target.faults = ["late"]
    hanging = asyncio.create_task(one.service.rotate_secret(NAME))
    while not target.calls:
        await asyncio.sleep(0.01)
    await execute(database_url, LONG)
    assert (await two.service.rotations.resume(NAME)).phase is Phase.RETIRED
    before = await rows(database_url, "SELECT phase, fence, version FROM rotation_runs")
    target.awake.set()
    with pytest.raises(RotationInProgress, match="Somebody else"):
        await hanging
    assert await rows(database_url, "SELECT phase, fence, version FROM rotation_runs") == before
    assert target.accepted == [(await two.service.get_secret(NAME)).value]


async def test_nobody_revokes_a_credential_who_has_lost_the_run(database_url: str, data_folder: Path) -> None:
    target = Target("first")
    async with opened(database_url, data_folder) as one, opened(database_url, data_folder) as two:
        for node in (one, two):
            node.service.register_rotation_handler(NAME, TargetHandler(target))
        await one.service.set_secret(NAME, "first")
        await one.service.rotate_secret(NAME)
        handlers, name = one.parts.rotation.handlers.names, SecretName(NAME)
        (lost,) = await one.parts.rotation.store.claim(handlers, LEASE, limit=1, name=name)
        await two.parts.rotation.store.claim(handlers, LEASE, limit=1, name=name, force=True)
        with pytest.raises(Fenced):
            await one.parts.rotation.driver.retire_now(lost)
    assert "remove" not in target.calls


# --- holding ---

RUN = RotationRun(
    id=uuid4(),
    name=SecretName(NAME),
    incarnation=uuid4(),
    phase=Phase.PENDING,
    handler="h",
    trigger=Trigger.MANUAL,
    requested_by="system",
    from_version=1,
    fence=7,
)


class Rows:
    """The rows of runs, as far as holding needs them. ``answers`` are taken one per beat, the last for good."""

    def __init__(self, *answers: bool | Exception) -> None:
        self.answers, self.beats, self.beaten = list(answers), 0, asyncio.Event()
        self.away, self.released = False, list[tuple[str | None, timedelta]]()
        self.odd: set[int] = set()

    async def hold(self, run: RotationRun, lease: timedelta, *, tried: bool = False) -> bool:
        self.beats += 1
        self.beaten.set()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def release(self, run: RotationRun, error: str | None, retry_in: timedelta) -> bool:
        if self.away:
            raise BackendUnavailable("away")
        if run.fence in self.odd:
            raise ValueError("somebody edited the row")
        self.released.append((error, retry_in))
        return True


def holding(store: Any, clock: VirtualClock | None = None) -> Holding:
    return Holding(store, clock or VirtualClock(), beat_s=0.001)


async def test_a_run_is_held_as_long_as_a_step_goes_on() -> None:
    store = Rows(True)

    async def step() -> str:
        while store.beats < 5:
            store.beaten.clear()
            await store.beaten.wait()
        return "done"

    assert await holding(store).through(RUN, step) == "done"


async def test_a_step_is_stopped_when_the_run_is_somebody_elses() -> None:
    ended = list[str]()

    async def step() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("stopped")

    with pytest.raises(Fenced):
        await holding(Rows(True, False)).through(RUN, step)
    assert ended == ["stopped"]


async def test_a_step_goes_on_without_postgresql_for_as_long_as_the_lease() -> None:
    clock, store = VirtualClock(), Rows(True, BackendUnavailable("away"))

    async def step() -> None:
        while store.beats < 4:
            store.beaten.clear()
            await store.beaten.wait()
        clock.move(LEASE.total_seconds())
        await asyncio.Event().wait()

    with pytest.raises(Fenced):
        await holding(store, clock).through(RUN, step)
    assert store.beats >= 4


async def test_what_could_not_be_let_go_of_is_when_postgresql_is_back() -> None:
    store = Rows(True)
    held = holding(store)
    store.away = True
    await held.release(RUN, "why", timedelta(minutes=1))
    with pytest.raises(BackendUnavailable):
        await held.release_kept()
    store.away = False
    await held.release_kept()
    await held.release_kept()
    assert store.released == [("why", timedelta())]


async def test_a_run_that_cannot_be_let_go_of_holds_up_no_other() -> None:
    store = Rows(True)
    held = holding(store)
    store.away = True
    await held.release(replace(RUN, fence=7), "odd", timedelta(minutes=1))
    await held.release(replace(RUN, fence=8), "why", timedelta(minutes=1))
    store.away, store.odd = False, {7}
    await held.release_kept()
    assert store.released == [("why", timedelta())]
    store.odd = set()
    await held.release_kept()
    assert store.released == [("why", timedelta())], "its lease ends by itself"


async def test_redis_takes_no_candidate_of_a_rotation_that_is_over(redis_url: str) -> None:
    admin: Any = redis.Redis.from_url(redis_url)
    await admin.execute_command("ACL", "SETUSER", "woken", "reset", "on", ">third")

    async def read(_: str) -> str:
        return redis_url

    late = Rotation(
        name=SecretName("redis-app"),
        run_id=uuid4(),
        fence=1,
        current_value=SecretValue("first"),
        candidate_value=SecretValue("second"),
        options={"admin_secret": "admin", "user": "woken"},
    )
    handler = built_in(read)["redis"]
    try:
        with pytest.raises(RotationFailed, match="a later rotation has begun"):
            await handler.apply(late)
        await handler.apply(replace(late, current_value=SecretValue("third")))
        assert len((await admin.acl_getuser("woken"))["passwords"]) == 2
    finally:
        await admin.execute_command("ACL", "DELUSER", "woken")
        await admin.aclose()
