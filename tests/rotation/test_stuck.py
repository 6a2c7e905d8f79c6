"""A rotation that cannot go on is somebody's to look at: health, doctor and the answers say so."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from holdfast.domain.policy import AccessContext
from holdfast.domain.rotation import Phase
from holdfast.errors import RotationFailed
from holdfast.service.doctor.mirror import rotation_findings
from tests.rotation.target import SingleSlotHandler, Target
from tests.rotation.test_rotation import let_pass
from tests.support.node import Inside, opened

NAME = "stuck-secret"


@pytest.fixture
async def inside(database_url: str, data_folder: Path) -> AsyncIterator[Inside]:
    async with opened(database_url, data_folder, cache_ttl=timedelta(seconds=1)) as node:
        yield node


class Locked(SingleSlotHandler):
    """A target that takes the new credential, and lets no one in with it."""

    async def test(self, rotation: object) -> None:
        raise ValueError("the account\nis locked")


async def test_i10_a_rotation_that_stays_applied_is_said_and_named_until_it_goes_on(
    inside: Inside, database_url: str
) -> None:
    service, target = inside.service, Target("first", slots=1)
    await service.set_secret(NAME, "first")
    service.register_rotation_handler(NAME, Locked(target))
    with pytest.raises(RotationFailed, match=r"stays applied: ValueError: the account is locked\. Both credentials"):
        await service.rotate_secret(NAME)
    assert (await service.get_secret_health()).failing_rotations == 0  # it is tried again within seconds
    for _ in range(2):
        await let_pass(database_url)
        await service.execute_scheduled_rotations()
    health = await service.get_secret_health()
    assert (health.healthy, health.failing_rotations) == (False, 1)
    assert any(f"fail again and again ({NAME})" in each for each in health.recommendations)
    run = (await service.rotations.status(NAME)).run
    assert run is not None
    found = [str(each) for each in rotation_findings([], [run], datetime.now(UTC), {})]
    assert any("stays applied, as its next step fails: ValueError: the account is locked." in each for each in found)
    service.register_rotation_handler(NAME, SingleSlotHandler(target))
    assert (await service.rotations.resume(NAME)).phase is Phase.RETIRED
    health = await service.get_secret_health()
    assert (health.healthy, health.failing_rotations) == (True, 0)


async def test_health_names_no_stuck_rotation_to_those_who_may_not_list_it(inside: Inside, database_url: str) -> None:
    await inside.service.set_secret(NAME, "first")
    inside.service.register_rotation_handler(NAME, Locked(Target("first", slots=1)))
    with pytest.raises(RotationFailed):
        await inside.service.rotate_secret(NAME)
    for _ in range(2):
        await let_pass(database_url)
        await inside.service.execute_scheduled_rotations()
    await inside.service.grant_access("*", "somebody", ["operate"])
    health = await inside.service.get_secret_health(context=AccessContext(user_id="somebody"))
    assert health.failing_rotations == 1
    assert NAME not in str(health)
