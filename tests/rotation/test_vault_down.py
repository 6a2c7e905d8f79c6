"""I11, I15: Key Vault goes down in any phase of a rotation, which ends all the same."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from holdfast.domain.rotation import Phase
from holdfast.errors import RotationFailed
from holdfast.service.rotation.driver import ROTATION_CRASH_POINTS
from tests.rotation.target import Target, TargetHandler
from tests.rotation.test_rotation import NAME, current, let_pass
from tests.support.node import opened
from tests.support.scripted_vault import ScriptedVault


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedVault]:
    async with ScriptedVault() as vault:
        yield vault


@pytest.mark.parametrize("point", ROTATION_CRASH_POINTS)
async def test_i11_key_vault_goes_down_in_any_phase(
    database_url: str, data_folder: Path, scripted: ScriptedVault, point: str
) -> None:
    def pass_point(passed: str) -> None:
        if passed == point:
            for operation in ("get", "get_version", "versions", "set", "update"):
                scripted.fail(operation, times=1000, drop=True)

    patience = timedelta(milliseconds=200)
    async with opened(
        database_url, data_folder, scripted, cache_ttl=timedelta(seconds=1), read_patience=patience
    ) as inside:
        service, target = inside.service, Target("first")
        await service.set_secret(NAME, "first")
        service.register_rotation_handler(NAME, TargetHandler(target))
        inside.parts.rotation.driver._crashpoint = pass_point
        assert (await service.rotate_secret(NAME)).phase is Phase.CURRENT
        await let_pass(database_url)
        (retired,) = await service.execute_scheduled_rotations()
        assert retired.phase is Phase.RETIRED
        assert [await current(service)] == target.accepted == ["candidate-1"]
        health = await service.get_secret_health()
        down_before_promotion = ROTATION_CRASH_POINTS.index(point) < ROTATION_CRASH_POINTS.index("promoted")
        assert (health.open_intents, health.parked_intents) == (int(down_before_promotion), 0)


async def test_a_refusal_that_is_known_is_met_before_the_target_is_touched(
    database_url: str, data_folder: Path, scripted: ScriptedVault
) -> None:
    patience = timedelta(milliseconds=200)
    async with opened(database_url, data_folder, scripted, read_patience=patience) as inside:
        service, target = inside.service, Target("first")
        async with scripted.refusing():
            await service.set_secret(NAME, "first")
        scripted.fail("set", times=1, status=403, code="Forbidden", inner="ForbiddenByPolicy")
        assert inside.parts.replica is not None
        await inside.parts.replica.replicator.drain()
        (parked,) = (await service.reconcile()).parked
        assert parked.name == NAME
        service.register_rotation_handler(NAME, TargetHandler(target))
        with pytest.raises(RotationFailed, match="refuses changes"):
            await service.rotate_secret(NAME)
        assert target.accepted == ["first"]
