"""I1, I2, I4: a process is killed at random while it works; what left it before is true for ever."""

import asyncio
import os
import random
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest

import holdfast.service as service_package
from holdfast import create_secrets_service
from holdfast.config import Settings
from holdfast.embedded.postgres import EmbeddedPostgres
from holdfast.service.crashpoints import CRASH_POINTS, PROPOSAL_CRASH_POINTS
from holdfast.service.manager import SecretsService
from holdfast.service.notices.delivery import NOTICE_CRASH_POINTS
from holdfast.service.rotation.driver import ROTATION_CRASH_POINTS
from tests.support.node import opened, rows, settings_for
from tests.support.postgres import execute
from tests.support.processes import postmaster_pid
from tests.support.scripted_vault import ScriptedVault
from tests.support.victim import NAMES, READER, Event, begin

KILLS = 20
POWER_CUTS = 4
MOST_EVENTS = 60
"""Told before a kill, at most: as few as one, so that starts are killed as well as full load."""


@pytest.fixture
async def vault() -> AsyncIterator[ScriptedVault]:
    async with ScriptedVault() as vault:
        yield vault


async def test_i1_i2_i4_what_left_a_killed_process_is_true(
    database_url: str, tmp_path: Path, vault: ScriptedVault
) -> None:
    settings = settings_for(
        database_url, tmp_path, vault, cache_ttl=timedelta(seconds=1), read_patience=timedelta(seconds=5)
    )
    async with create_secrets_service(settings, background=False) as service:
        await service.grant_access("*", READER, ["get"])
    told = await lives(settings, KILLS)
    await settle(database_url, tmp_path, vault, settings)
    async with create_secrets_service(settings, background=False) as service:
        versions = await check_writes(service, told)
        await check_reads(database_url, told)
    for name in NAMES:
        assert [version.value for version in vault.model.history(name)] == versions[name]
        assert len(set(versions[name])) == len(versions[name])


async def test_i2_what_was_acknowledged_survives_a_power_cut(data_folder: Path) -> None:
    """PostgreSQL is killed in the same moment, and both come back by themselves."""
    settings = Settings(data_dir=data_folder)
    async with create_secrets_service(settings, background=False) as service:
        await service.grant_access("*", READER, ["get"])
    told = await lives(settings, POWER_CUTS, lambda: os.kill(postmaster_pid(data_folder), signal.SIGKILL))
    server = EmbeddedPostgres(data_folder)
    dsn = await server.start()
    try:
        async with create_secrets_service(settings, background=False) as service:
            await check_writes(service, told)
        await check_reads(dsn, told)
    finally:
        await server.stop()


async def lives(settings: Settings, kills: int, cut: Callable[[], object] = lambda: None) -> list[Event]:
    """Let a process work and be killed again and again; returns all that left it."""
    seed = random.randrange(2**32)
    dice, told = random.Random(seed), list[Event]()
    for _ in range(kills):
        life = begin(settings, dice.randrange(2**32))
        told += await asyncio.to_thread(list, life.events(dice.randint(1, MOST_EVENTS), cut))
    kinds = Counter(event.kind for event in told)
    assert kinds["write"] >= kills / 10, kinds  # a write may wait for the lease of one that was killed
    assert kinds["read"], kinds
    assert not kinds["broken"], [event for event in told if event.kind == "broken"]
    return told


async def check_writes(service: SecretsService, told: list[Event]) -> dict[str, list[str]]:
    """I2: every acknowledged write is there, under the version that was acknowledged, and none is there twice."""
    versions: dict[str, list[str]] = {}
    for name in NAMES:
        numbers = [version.version for version in await service.list_secret_versions(name)]
        assert numbers == list(range(1, len(numbers) + 1))
        versions[name] = [(await service.get_secret_version(name, number)).value for number in numbers]
    for event in told:
        assert versions[event.name][event.version - 1] == event.value, event
    acknowledged = [event.value for event in told if event.kind == "write"]
    assert len(set(acknowledged)) == len(acknowledged)
    return versions


async def check_reads(dsn: str, told: list[Event]) -> None:
    """I1: whatever was shown is on record, with who asked and what they got."""
    on_record = set(
        await rows(
            dsn,
            "SELECT request_id, secret_name, version FROM secret_access_logs "
            "WHERE success AND operation = 'get' AND user_id = $1",
            READER,
        )
    )
    shown = {(event.request_id, event.name, event.version) for event in told if event.kind == "read"}
    assert shown
    assert shown <= on_record


async def settle(dsn: str, folder: Path, vault: ScriptedVault, settings: Settings) -> None:
    """Let the leases of the killed run out, and replay until Key Vault has everything."""
    async with opened(dsn, folder / "settle", vault) as node:
        assert node.parts.replica is not None
        for _ in range(20):
            await execute(
                dsn, "UPDATE secret_intents SET lease_until = now(), next_attempt_at = now() WHERE state = 'open'"
            )
            await node.parts.replica.replicator.drain()
            if await rows(dsn, "SELECT count(*) FROM secret_intents WHERE state = 'open'") == [(0,)]:
                break
        assert await rows(dsn, "SELECT count(*) FROM secret_intents WHERE state <> 'done'") == [(0,)]


def test_every_crash_point_in_the_source_is_one_that_tests_crash_at() -> None:
    """The lists are what the tests of replay, proposals, rotation and notices run through, singly and at random."""
    passed = set[str]()
    for file in Path(service_package.__path__[0]).rglob("*.py"):
        passed |= set(re.findall(r"_?crashpoint\(\s*[\"'](\w+)[\"']", file.read_text()))
        assert not re.search(r"_?crashpoint\((?!\s*[\"']\w+[\"']\))", file.read_text()), (
            f"a computed point in {file.name}"
        )
    assert passed == {*CRASH_POINTS, *PROPOSAL_CRASH_POINTS, *ROTATION_CRASH_POINTS, *NOTICE_CRASH_POINTS}
