"""Rotations while consumers fetch and log in, one of them frozen: by adoption none is cut off, by a timer one is.

``HOLDFAST_ROTATIONS=100 pytest tests/rotation/test_load.py --timeout 3600 -s`` rotates as often.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from holdfast.domain.policy import AccessContext
from holdfast.domain.rotation import Phase
from holdfast.service.manager import SecretsService
from tests.rotation.killed import Ground
from tests.rotation.test_rotation import let_pass
from tests.support.node import Inside

ROTATIONS = int(os.environ.get("HOLDFAST_ROTATIONS", "8"))
NAME = "postgresql-pair"
FROZEN = AccessContext(user_id="app-5")
_PATIENCE_S = 60


class Consumers:
    """Four that fetch before each login, and one that goes on with what it fetched when it was last thawed."""

    def __init__(self, service: SecretsService) -> None:
        self._service = service
        self.logins, self.failed = 0, list[str]()
        self._kept = ""

    async def thaw(self) -> None:
        self._kept = (await self._service.get_secret(NAME, context=FROZEN)).value

    async def fetch(self, context: AccessContext) -> None:
        while True:
            await self._log_in((await self._service.get_secret(NAME, context=context)).value, context)

    async def stay(self) -> None:
        while True:
            await self._log_in(self._kept, FROZEN)

    async def _log_in(self, url: str, context: AccessContext) -> None:
        try:
            await (await asyncpg.connect(url)).close()
            self.logins += 1
        except asyncpg.InvalidPasswordError:
            if context is not FROZEN or url == self._kept:  # else it has thawed meanwhile, and was about to use this
                self.failed.append(context.user_id)
        await asyncio.sleep(0.005)


@asynccontextmanager
async def consuming(service: SecretsService) -> AsyncIterator[Consumers]:
    consumers = Consumers(service)
    people = [AccessContext(user_id=f"app-{number}") for number in range(1, 5)]
    for each in (*people, FROZEN):
        await service.grant_access(NAME, each.user_id, ["get"])
    await consumers.thaw()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(consumers.fetch(each)) for each in people]
        tasks.append(group.create_task(consumers.stay()))
        yield consumers
        for task in tasks:
            task.cancel()


async def late(service: SecretsService) -> list[str]:
    """Who is late, once nobody but the frozen one is."""
    async with asyncio.timeout(_PATIENCE_S):
        while len(names := [each.user_id for each in (await service.rotations.status(NAME)).laggards]) > 1:
            await asyncio.sleep(0.02)
    return names


async def retired(service: SecretsService, dsn: str) -> None:
    """Look until the old credential is revoked."""
    async with asyncio.timeout(_PATIENCE_S):
        while (run := (await service.rotations.status(NAME)).run) is not None and run.phase is Phase.CURRENT:
            await let_pass(dsn)
            await service.execute_scheduled_rotations()


async def test_i10_rotations_by_adoption_fail_no_login_and_name_the_frozen_consumer(
    ground: Ground, inside: Inside
) -> None:
    service = inside.service
    async with consuming(service) as consumers:
        for _ in range(ROTATIONS):
            await service.rotate_secret(NAME)
            assert await late(service) == ["app-5"]
            await let_pass(ground.dsn)
            assert await service.execute_scheduled_rotations() == []
            await consumers.thaw()
            await retired(service, ground.dsn)
    print(f"{ROTATIONS} rotations, {consumers.logins} logins, {len(consumers.failed)} failed")
    assert consumers.failed == []
    assert consumers.logins > ROTATIONS


async def test_i10_rotations_by_timer_cut_the_frozen_consumer_off(ground: Ground, inside: Inside) -> None:
    """What most rotators do: revoke after a while, whoever still needs it."""
    service = inside.service
    async with consuming(service) as consumers:
        for _ in range(ROTATIONS):
            await service.rotate_secret(NAME)
            await asyncio.sleep(0.1)
            await service.rotations.retire(NAME)
            await asyncio.sleep(0.1)
            await consumers.thaw()
    print(f"{ROTATIONS} rotations, {consumers.logins} logins, {len(consumers.failed)} failed")
    assert "app-5" in consumers.failed
