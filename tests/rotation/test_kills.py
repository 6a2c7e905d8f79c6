"""Processes that are killed and stopped while they rotate credentials of a real PostgreSQL and a real Redis.

Kills at any moment, under a mixed load, are those of the kill loop: ``tests/proof/kills``.
"""

import asyncio
import os
import signal
from dataclasses import replace

import pytest

from holdfast.service.rotation.driver import ROTATION_CRASH_POINTS
from tests.rotation.killed import (
    SECRETS,
    Ground,
    begin,
    check_current,
    check_known,
    logs_in,
    quiet,
    settle,
    stored,
)
from tests.rotation.test_rotation import let_pass
from tests.support.cable import cable_to
from tests.support.node import Inside, rows, within
from tests.support.postgres import execute


@pytest.mark.parametrize("name", SECRETS)
async def test_i10_a_kill_at_any_boundary_loses_no_credential(ground: Ground, inside: Inside, name: str) -> None:
    points = [point for point in ROTATION_CRASH_POINTS if name != "postgresql" or not point.startswith("retir")]
    for point in points:
        life = begin(ground, (name,), (point, signal.SIGKILL))
        assert [await life.hears(), await life.hears()] == ["ready", point]
        await life.ended()
        await quiet(ground)
        await check_known(ground, inside)
        await settle(ground, inside)
        await settle(ground, inside)
        await check_current(ground, inside)
        await check_known(ground, inside)


async def test_i10_who_was_stopped_beyond_its_lease_changes_nothing_at_postgresql(
    ground: Ground, inside: Inside
) -> None:
    """The stopped process wakes with an old candidate in hand, after another one has rotated twice."""
    life = begin(ground, ("postgresql",), ("applying", signal.SIGSTOP))
    assert [await life.hears(), await life.hears()] == ["ready", "applying"]
    try:
        await settle(ground, inside)
        await inside.service.rotate_secret("postgresql")
        await check_current(ground, inside)
        before = await rows(ground.dsn, "SELECT rolpassword FROM pg_authid WHERE rolname = 'kill_one'")
        attempts = await rows(ground.dsn, "SELECT count(*) FROM rotation_runs")
        assert life.process.pid is not None
        os.kill(life.process.pid, signal.SIGCONT)
        assert (
            await life.hears() == "applying"
        )  # of its next rotation: it is through with the old one, and stopped again
        assert await rows(ground.dsn, "SELECT rolpassword FROM pg_authid WHERE rolname = 'kill_one'") == before
        assert (await rows(ground.dsn, "SELECT count(*) FROM rotation_runs"))[0][0] > attempts[0][0]
    finally:
        life.process.kill()
        await life.ended()
    await let_pass(ground.dsn)
    await settle(ground, inside)
    await check_current(ground, inside)


async def test_i10_a_commit_that_takes_effect_after_its_process_died_is_taken_over(
    ground: Ground, inside: Inside
) -> None:
    """The commit of a process that is killed arrives late: the old password logs in, and then the new one."""
    await execute(
        ground.dsn, "DROP ROLE IF EXISTS kill_admin", "CREATE ROLE kill_admin SUPERUSER LOGIN PASSWORD 'admin'"
    )
    async with cable_to(ground.dsn) as cable, ground.node() as living:
        await inside.service.set_secret("pg-admin", replace(ground, dsn=cable.dsn).url_of("kill_admin", "admin"))
        cable.hold_question(b"COMMIT")
        life = begin(ground, ("postgresql",))
        try:
            assert await life.hears() == "ready"
            async with asyncio.timeout(30):
                await cable.held.wait()
            life.process.kill()
            await life.ended()
            current, candidate = await _current_and_candidate(living)
            assert await _accepted(ground, current, candidate) == [True, False]
        finally:
            life.process.kill()
            cable.release()
        await within(30, lambda: _lets_in(ground, candidate))
        assert await _accepted(ground, current, candidate) == [False, True]
        await settle(ground, living)
        assert (await stored(living, "postgresql"))[0] == candidate
        await check_current(ground, living)


async def _current_and_candidate(inside: Inside) -> tuple[str, str]:
    current, known = await stored(inside, "postgresql")
    versions = await inside.service.list_secret_versions("postgresql")
    values = {(await inside.service.get_secret_version("postgresql", each.version)).value for each in versions}
    (candidate,) = known - values
    return current, candidate


async def _lets_in(ground: Ground, password: str) -> bool:
    return await logs_in(ground.url_of("kill_one", password))


async def _accepted(ground: Ground, *passwords: str) -> list[bool]:
    return [await _lets_in(ground, each) for each in passwords]
