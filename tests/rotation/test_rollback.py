"""Going back to an earlier version of a rotated credential."""

import pytest

from holdfast.domain.rotation import Phase
from holdfast.errors import AccessDenied, Conflict, CredentialRetired, InvalidInput, RotationFailed, RotationInProgress
from holdfast.service.manager import SecretsService
from tests.rotation.target import Target
from tests.rotation.test_rotation import NAME, current, inside, let_pass, service, target
from tests.support.node import ALICE

__all__ = ["inside", "service", "target"]


async def test_a_value_that_still_logs_in_comes_back_and_is_not_revoked_afterwards(
    service: SecretsService, target: Target, database_url: str
) -> None:
    await service.rotate_secret(NAME)
    assert (await service.rollback_secret(NAME, 1)).version == 3
    assert await current(service) == "first"
    await let_pass(database_url)
    (result,) = await service.execute_scheduled_rotations()
    assert result.phase is Phase.RETIRED
    assert "first" in target.accepted


async def test_a_person_cannot_revoke_what_is_current_again(service: SecretsService, target: Target) -> None:
    await service.rotate_secret(NAME)
    await service.rollback_secret(NAME, 1)
    await service.rotations.retire(NAME)
    assert "first" in target.accepted


async def test_a_retired_value_is_refused_and_can_be_reapplied(service: SecretsService, target: Target) -> None:
    await service.rotate_secret(NAME)
    await service.rotations.retire(NAME)
    with pytest.raises(CredentialRetired, match=r"reapply=True or --reapply") as refused:
        await service.rollback_secret(NAME, 1)
    assert "first" not in str(refused.value)
    assert await current(service) == "candidate-1"
    assert (await service.rollback_secret(NAME, 1, reapply=True)).version == 3
    assert await current(service) == "first"
    assert target.accepted == ["candidate-1", "first"]
    run = (await service.rotations.status(NAME)).run
    assert run is not None
    assert run.trigger == "rollback"


async def test_reapplying_takes_the_permission_to_rotate(service: SecretsService, target: Target) -> None:
    await service.grant_access(NAME, "alice", ["set"])
    with pytest.raises(AccessDenied):
        await service.rollback_secret(NAME, 1, reapply=True, context=ALICE)
    await service.rollback_secret(NAME, 1, context=ALICE)
    with pytest.raises(InvalidInput, match="neither"):
        await service.rollback_secret(NAME, 1, reapply=True, expected_generation=1)


async def test_a_rotation_that_is_not_current_yet_goes_first(service: SecretsService, target: Target) -> None:
    target.faults = ["refuse"]
    with pytest.raises(RotationFailed):
        await service.rotate_secret(NAME)
    with pytest.raises(RotationInProgress, match="rotation cancel"):
        await service.rollback_secret(NAME, 1)
    await service.rotations.cancel(NAME)
    await service.rollback_secret(NAME, 1)
    with pytest.raises(Conflict):
        await service.rotations.cancel(NAME)
