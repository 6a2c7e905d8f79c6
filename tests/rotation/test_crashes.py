"""A node that dies anywhere in a rotation: no credential is lost, whoever goes on."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from holdfast.domain.names import SecretName
from holdfast.domain.rotation import Phase
from holdfast.errors import HoldfastError, RotationInProgress
from holdfast.service.rotation.driver import ROTATION_CRASH_POINTS
from tests.rotation.target import SingleSlotHandler, Target, TargetHandler
from tests.rotation.test_rotation import NAME, let_pass
from tests.support.node import Inside, opened, rows
from tests.support.postgres import execute
from tests.support.world import Crash, CrashOnce

RETIRING = tuple(point for point in ROTATION_CRASH_POINTS if point not in ("retiring", "retired"))


@asynccontextmanager
async def node(dsn: str, folder: Path, target: Target, crash: CrashOnce, *, single: bool) -> AsyncIterator[Inside]:
    """A node that can rotate, and die of it."""
    async with opened(dsn, folder, cache_ttl=timedelta(seconds=1)) as inside:
        inside.parts.rotation.driver._crashpoint = crash
        handler = SingleSlotHandler(target) if single else TargetHandler(target)
        handler.made = random.randrange(10**9)  # another life makes other candidates
        inside.service.register_rotation_handler(NAME, handler)
        yield inside


async def known(inside: Inside, dsn: str) -> set[str]:
    """Every credential that is stored here: all versions, and the candidate of an open run."""
    versions = await inside.service.list_secret_versions(NAME)
    values = {(await inside.service.get_secret_version(NAME, version.version)).value for version in versions}
    run = await inside.parts.rotation.store.find(SecretName(NAME))
    sealed = await inside.parts.rotation.store.candidate(run) if run is not None else None
    if run is not None and sealed is not None:
        context = f"{run.id}:{run.incarnation}:{run.name}:{run.from_version}".encode()
        values.add(inside.parts.sealer.open_bytes("rotation", context, sealed).decode())
    return values


async def rotate_to_the_end(inside: Inside, dsn: str) -> None:
    await inside.service.rotate_secret(NAME)
    await let_pass(dsn)
    await inside.service.execute_scheduled_rotations()


@pytest.mark.parametrize("single", [False, True], ids=["two slots", "one slot"])
@pytest.mark.parametrize("point", ROTATION_CRASH_POINTS)
async def test_i10_a_crash_at_any_point_loses_no_credential(
    database_url: str, data_folder: Path, point: str, single: bool
) -> None:
    if single and point not in RETIRING:
        return
    target, crash = Target("first", slots=1 if single else 2), CrashOnce()
    async with node(database_url, data_folder, target, crash, single=single) as inside:
        await inside.service.set_secret(NAME, "first")
        crash.point = point
        with pytest.raises(Crash):
            await rotate_to_the_end(inside, database_url)
    async with node(database_url, data_folder, target, crash, single=single) as inside:
        assert set(target.accepted) <= await known(inside, database_url)
        await let_pass(database_url)
        await inside.service.execute_scheduled_rotations()
        assert (await inside.service.get_secret(NAME)).value in target.accepted
        await let_pass(database_url)
        await inside.service.execute_scheduled_rotations()
        run = (await inside.service.rotations.status(NAME)).run
        assert run is None or run.phase is Phase.RETIRED
        assert target.accepted == [(await inside.service.get_secret(NAME)).value]


async def test_every_crash_point_is_passed(database_url: str, data_folder: Path) -> None:
    target, crash = Target("first"), CrashOnce()
    async with node(database_url, data_folder, target, crash, single=False) as inside:
        await inside.service.set_secret(NAME, "first")
        await rotate_to_the_end(inside, database_url)
    assert crash.passed == set(ROTATION_CRASH_POINTS)


async def test_i10_many_lives_of_crashes_and_faults_lose_nothing(database_url: str, data_folder: Path) -> None:
    """The same seed every time; what it finds is found again."""
    chance = random.Random(20261124)
    target, crash = Target("first"), CrashOnce()
    async with node(database_url, data_folder, target, crash, single=False) as inside:
        await inside.service.set_secret(NAME, "first")
    for _ in range(40):
        async with node(database_url, data_folder, target, crash, single=False) as inside:
            for _ in range(4):
                crash.point = chance.choice([*ROTATION_CRASH_POINTS, None, None])
                target.faults = [chance.choice(["", "", "refuse", "lose"]) for _ in range(3)]
                try:
                    await chance.choice([inside.service.rotate_secret, inside.service.rotations.resume])(NAME)
                    await inside.service.execute_scheduled_rotations()
                except (Crash, HoldfastError):
                    await let_pass(database_url)
                target.faults, crash.point = [], None
                assert (await inside.service.get_secret(NAME)).value in target.accepted
                assert set(target.accepted) <= await known(inside, database_url)


async def test_a_holder_that_wakes_up_late_changes_nothing(database_url: str, data_folder: Path) -> None:
    target, crash = Target("first"), CrashOnce()
    async with node(database_url, data_folder, target, crash, single=False) as late:
        await late.service.set_secret(NAME, "first")
        target.faults = ["late"]
        sleeping = asyncio.create_task(late.service.rotate_secret(NAME))
        while not target.calls:
            await asyncio.sleep(0.01)
        await let_pass(database_url)
        async with node(database_url, data_folder, target, crash, single=False) as other:
            await other.service.execute_scheduled_rotations()
            await let_pass(database_url)
            await other.service.execute_scheduled_rotations()
            before = await rows(database_url, "SELECT phase, fence, version FROM rotation_runs")
            target.awake.set()
            with pytest.raises(RotationInProgress, match="Somebody else"):
                await sleeping
            assert await rows(database_url, "SELECT phase, fence, version FROM rotation_runs") == before
            assert before[0][0] == Phase.RETIRED
            assert (await other.service.get_secret(NAME)).value in target.accepted


async def test_two_nodes_rotate_each_due_secret_once(database_url: str, data_folder: Path) -> None:
    made: list[str] = []

    def generate() -> str:
        made.append("x")
        return f"value-{len(made)}"

    async with opened(database_url, data_folder) as one, opened(database_url, data_folder) as two:
        for inside in (one, two):
            inside.service.register_rotation_handler("*", generate)
        for number in range(20):
            await one.service.set_secret(f"secret-{number}", "first")
            await one.service.schedule_rotation(f"secret-{number}", 1)
        await execute(database_url, "UPDATE secret_rotation_schedule SET next_rotation_at = now()")
        results = await asyncio.gather(*(each.service.execute_scheduled_rotations() for each in (one, two)))
        assert sorted(result.secret_name for found in results for result in found) == sorted(
            f"secret-{number}" for number in range(20)
        )
        assert len(made) == 20


async def test_whoever_lost_a_run_can_do_nothing_to_it(database_url: str, data_folder: Path) -> None:
    target, crash = Target("first"), CrashOnce()
    async with node(database_url, data_folder, target, crash, single=False) as inside:
        await inside.service.set_secret(NAME, "first")
        crash.point = "begun"
        with pytest.raises(Crash):
            await inside.service.rotate_secret(NAME)
        store, lease = inside.parts.rotation.store, timedelta(minutes=1)
        await let_pass(database_url)
        (former,) = await store.claim(inside.parts.rotation.handlers.names, lease, limit=9)
        assert await store.claim(inside.parts.rotation.handlers.names, lease, limit=9) == []
        await let_pass(database_url)
        (present,) = await store.claim(inside.parts.rotation.handlers.names, lease, limit=9)
        assert present.fence > former.fence
        assert not await store.hold(former, lease)
        assert await store.advance(former, Phase.APPLIED) is None
        assert not await store.release(former, "late", timedelta())
        assert await store.hold(present, lease)
        assert await store.advance(present, Phase.APPLIED) is not None
