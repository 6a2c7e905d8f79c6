"""Rotation through the facade: phases, failures, unknown outcomes, a person's word."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from holdfast.domain.policy import AccessContext
from holdfast.domain.rotation import Phase
from holdfast.domain.secret import RotationPolicy
from holdfast.errors import (
    AccessDenied,
    Conflict,
    IntegrityFailure,
    InvalidInput,
    RotationFailed,
    RotationInProgress,
    SecretNotFound,
)
from holdfast.service.manager import SecretsService
from tests.rotation.target import SingleSlotHandler, Target, TargetHandler
from tests.support.node import ALICE, Inside, audit, opened, rows
from tests.support.postgres import execute

NAME = "db-password"


@pytest.fixture
async def inside(database_url: str, data_folder: Path) -> AsyncIterator[Inside]:
    async with opened(database_url, data_folder, cache_ttl=timedelta(seconds=1)) as node:
        await node.service.set_secret(NAME, "first")
        yield node


@pytest.fixture
def service(inside: Inside) -> SecretsService:
    return inside.service


@pytest.fixture
def target(service: SecretsService) -> Target:
    """A target that knows the current value, with its handler registered."""
    target = Target("first")
    service.register_rotation_handler(NAME, TargetHandler(target))
    return target


async def let_pass(dsn: str) -> None:
    """Let an hour pass for rotations: pauses, leases, grace."""
    await execute(
        dsn,
        "UPDATE rotation_runs SET next_attempt_at = now(), lease_until = NULL, "
        "promoted_at = promoted_at - interval '1 hour'",
    )
    await execute(dsn, "UPDATE secret_rotation_schedule SET next_attempt_at = now(), lease_until = NULL")


async def make_due(dsn: str) -> None:
    await execute(dsn, "UPDATE secret_rotation_schedule SET next_rotation_at = now() - interval '1 second'")


async def current(service: SecretsService) -> str:
    return (await service.get_secret(NAME)).value


async def test_a_rotation_goes_through_its_phases(service: SecretsService, target: Target, database_url: str) -> None:
    result = await service.rotate_secret(NAME)
    assert (result.success, result.phase, result.version) == (True, Phase.CURRENT, 2)
    assert await current(service) == "candidate-1"
    assert target.accepted == ["first", "candidate-1"]
    assert (await service.get_secret(NAME, stage="previous")).value == "first"
    await let_pass(database_url)
    (retired,) = await service.execute_scheduled_rotations()
    assert (retired.secret_name, retired.phase) == (NAME, Phase.RETIRED)
    assert target.accepted == ["candidate-1"]
    with pytest.raises(SecretNotFound, match="previous"):
        await service.get_secret(NAME, stage="previous")
    operations = [row[1] for row in await audit(database_url, NAME) if row[1].startswith("rotate")]
    assert operations == ["rotate", "rotate.promote", "rotate.retire"]


async def test_tags_and_content_type_are_kept_and_the_history_stays(service: SecretsService, target: Target) -> None:
    await service.set_secret(NAME, "first", tags={"team": "db"}, content_type="text/plain")
    await service.rotate_secret(NAME)
    secret = await service.get_secret(NAME)
    assert (dict(secret.tags), secret.content_type, secret.version) == ({"team": "db"}, "text/plain", 3)
    assert [version.version for version in await service.list_secret_versions(NAME)] == [1, 2, 3]


async def test_one_function_is_enough(service: SecretsService) -> None:
    async def generate() -> str:
        return "second"

    result = await service.rotate_secret(NAME, generate)
    assert (result.phase, result.version) == (Phase.RETIRED, 2)
    assert await current(service) == "second"
    await service.rotate_secret(NAME, lambda: "third")
    assert await current(service) == "third"


@pytest.mark.parametrize(
    ("made", "told"), [("first", "present one"), ("", "empty"), ("x" * 25_601, "25,600"), (7, "text")]
)
async def test_a_candidate_that_is_none_changes_nothing(service: SecretsService, made: Any, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        await service.rotate_secret(NAME, lambda: made)
    assert await current(service) == "first"
    assert (await service.rotations.status(NAME)).run is None


async def test_i13_a_function_that_fails_says_why_without_the_credential(service: SecretsService) -> None:
    def fail() -> str:
        raise ValueError("the old password first does not log in")

    with pytest.raises(RotationFailed, match=r"ValueError: the old password \*\*\*\*\* does not log in"):
        await service.rotate_secret(NAME, fail)


async def test_what_is_no_function_is_refused_as_such(service: SecretsService) -> None:
    wrong: Any = 5
    with pytest.raises(InvalidInput, match="must be a function"):
        await service.rotate_secret(NAME, wrong)


async def test_nothing_rotates_what_nothing_knows_how_to(service: SecretsService) -> None:
    with pytest.raises(InvalidInput, match="register a handler"):
        await service.rotate_secret(NAME)
    with pytest.raises(SecretNotFound):
        await service.rotate_secret("nobody-knows", lambda: "x")


async def test_the_longest_pattern_that_fits_decides(service: SecretsService) -> None:
    service.register_rotation_handler("*", lambda: "by-all")
    service.register_rotation_handler("db-*", lambda: "by-glob")
    await service.rotate_secret(NAME)
    assert await current(service) == "by-glob"
    service.register_rotation_handler(NAME, lambda: "by-name")
    await service.rotate_secret(NAME)
    assert await current(service) == "by-name"


@pytest.mark.parametrize("fault", ["refuse", "lose"])
async def test_i10_a_step_that_fails_keeps_both_and_goes_on_with_the_same_candidate(
    service: SecretsService, target: Target, database_url: str, fault: str
) -> None:
    target.faults = [fault]
    with pytest.raises(RotationFailed, match="stays pending") as failure:
        await service.rotate_secret(NAME)
    assert "candidate-1" not in str(failure.value)
    assert await current(service) == "first"
    assert "first" in target.accepted
    run = (await service.rotations.status(NAME)).run
    assert run is not None
    assert run.last_error is not None
    assert "candidate" not in run.last_error
    with pytest.raises(RotationInProgress):
        await service.rotate_secret(NAME)
    await let_pass(database_url)
    (resumed,) = await service.execute_scheduled_rotations()
    assert resumed.phase is Phase.CURRENT
    assert await current(service) == "candidate-1"


async def test_i4_a_lost_answer_is_settled_by_logging_in(
    service: SecretsService, target: Target, database_url: str
) -> None:
    target.faults = ["lose"]
    with pytest.raises(RotationFailed):
        await service.rotate_secret(NAME)
    target.calls.clear()
    await service.rotations.resume(NAME)
    assert target.calls == ["login", "login"]


async def test_a_candidate_that_does_not_log_in_never_becomes_current(
    service: SecretsService, target: Target, database_url: str
) -> None:
    target.slots = 1
    target.faults = ["", "refuse"]
    with pytest.raises(RotationFailed, match="stays applied"):
        await service.rotate_secret(NAME)
    assert await current(service) == "first"
    await service.rotations.resume(NAME)
    assert await current(service) == "candidate-1"


async def test_i10_the_old_one_is_revoked_only_when_all_consumers_have_the_new(
    service: SecretsService, target: Target, database_url: str
) -> None:
    for user in ("app-1", "app-2"):
        await service.grant_access(NAME, user, ["get"])
    one, two = AccessContext(user_id="app-1"), AccessContext(user_id="app-2")
    await service.get_secret(NAME, context=one)
    await service.get_secret(NAME, context=two)
    await service.rotate_secret(NAME)
    await service.get_secret(NAME, context=one)
    await let_pass(database_url)
    assert await service.execute_scheduled_rotations() == []
    assert "first" in target.accepted
    status = await service.rotations.status(NAME)
    assert [(each.user_id, each.version) for each in status.laggards] == [("app-2", 1)]
    await service.get_secret(NAME, context=two)
    await let_pass(database_url)
    (retired,) = await service.execute_scheduled_rotations()
    assert retired.phase is Phase.RETIRED
    assert target.accepted == ["candidate-1"]


async def test_a_person_may_decide_that_it_is_revoked_now(service: SecretsService, target: Target) -> None:
    with pytest.raises(Conflict, match="No rotation"):
        await service.rotations.retire(NAME)
    await service.get_secret(NAME)
    await service.rotate_secret(NAME)
    assert (await service.rotations.retire(NAME)).phase is Phase.RETIRED
    assert target.accepted == ["candidate-1"]


async def test_whoever_revokes_for_so_long_that_another_takes_over_learns_it(
    service: SecretsService, target: Target, inside: Inside, database_url: str
) -> None:
    await service.get_secret(NAME)
    await service.rotate_secret(NAME)
    target.faults = ["late"]
    slow = asyncio.create_task(service.rotations.retire(NAME))
    while "remove" not in target.calls:
        await asyncio.sleep(0.01)
    await let_pass(database_url)
    parts = inside.parts.rotation
    (taken,) = await parts.store.claim(parts.handlers.names, timedelta(minutes=1), limit=9)
    target.awake.set()
    with pytest.raises(RotationInProgress, match="Somebody else"):
        await slow
    assert await parts.store.hold(taken, timedelta(minutes=1))


async def test_a_deadline_decides_where_the_policy_has_one(
    service: SecretsService, target: Target, database_url: str
) -> None:
    await service.update_secret(NAME, rotation_policy=RotationPolicy(retire_after_days=3))
    await service.get_secret(NAME)
    await service.rotate_secret(NAME)
    await let_pass(database_url)
    assert await service.execute_scheduled_rotations() == []
    await execute(database_url, "UPDATE rotation_runs SET retire_by = now(), next_attempt_at = now()")
    (retired,) = await service.execute_scheduled_rotations()
    assert retired.phase is Phase.RETIRED


async def test_cancelling_is_possible_while_the_current_one_works(service: SecretsService, target: Target) -> None:
    target.faults = ["refuse"]
    with pytest.raises(RotationFailed):
        await service.rotate_secret(NAME)
    assert (await service.rotations.cancel(NAME)).phase is Phase.CANCELLED
    await service.rotate_secret(NAME)
    assert await current(service) == "candidate-2"


async def test_i10_what_may_have_replaced_the_current_one_is_not_cancelled(service: SecretsService) -> None:
    target = Target("first", slots=1)
    service.register_rotation_handler(NAME, SingleSlotHandler(target))
    target.faults = ["lose"]
    with pytest.raises(RotationFailed):
        await service.rotate_secret(NAME)
    with pytest.raises(Conflict, match="can only go on"):
        await service.rotations.cancel(NAME)
    assert (await service.rotations.resume(NAME)).phase is Phase.RETIRED
    assert [await current(service)] == target.accepted


async def test_schedules_come_due_and_start_anew(service: SecretsService, target: Target, database_url: str) -> None:
    policy = await service.schedule_rotation(NAME, 30)
    assert (policy.enabled, policy.interval_days, policy.auto_rotate) == (True, 30, True)
    assert await service.execute_scheduled_rotations() == []
    await make_due(database_url)
    query = "SELECT secret_name FROM secret_rotation_schedule WHERE next_rotation_at < NOW()"
    assert await rows(database_url, query) == [(NAME,)]
    (result,) = await service.execute_scheduled_rotations()
    assert (result.success, result.version, result.error_message) == (True, 2, None)
    assert await rows(database_url, query) == []
    schedule = (await service.rotations.status(NAME)).schedule
    assert schedule is not None
    assert schedule.rotation_count == 1
    assert schedule.last_rotated_at is not None
    assert schedule.next_rotation_at - schedule.last_rotated_at == timedelta(days=30)


async def test_a_due_rotation_that_asks_a_person_waits_for_one(
    service: SecretsService, target: Target, database_url: str
) -> None:
    await service.schedule_rotation(NAME, 30, auto_rotate=False)
    with pytest.raises(Conflict, match="waits for approval"):
        await service.rotations.approve(NAME)
    await make_due(database_url)
    assert await service.execute_scheduled_rotations() == []
    schedule = (await service.rotations.status(NAME)).schedule
    assert schedule is not None
    assert schedule.requested_at is not None
    await service.rotations.approve(NAME)
    (result,) = await service.execute_scheduled_rotations()
    assert result.success
    assert await current(service) == "candidate-1"


async def test_a_due_rotation_that_fails_says_so_and_is_left_alone_for_a_while(
    service: SecretsService, database_url: str
) -> None:
    await service.schedule_rotation(NAME, 30)
    await make_due(database_url)
    (result,) = await service.execute_scheduled_rotations()
    assert (result.success, result.secret_name) == (False, NAME)
    assert "register a handler" in (result.error_message or "")
    assert await service.execute_scheduled_rotations() == []
    schedule = (await service.rotations.status(NAME)).schedule
    assert schedule is not None
    assert (schedule.failures, schedule.last_error) == (1, result.error_message)
    service.register_rotation_handler(NAME, lambda: "second")
    await let_pass(database_url)
    (result,) = await service.execute_scheduled_rotations()
    assert result.success


async def test_i1_rotation_has_a_permission_of_its_own(service: SecretsService, target: Target) -> None:
    for permission in ("get", "set"):
        await service.grant_access(NAME, "alice", [permission])
        with pytest.raises(AccessDenied):
            await service.rotate_secret(NAME, context=ALICE)
        with pytest.raises(AccessDenied):
            await service.schedule_rotation(NAME, 30, context=ALICE)
    await service.grant_access(NAME, "alice", ["rotate"])
    assert (await service.rotate_secret(NAME, context=ALICE)).version == 2
    with pytest.raises(AccessDenied):
        await service.get_secret(NAME, context=ALICE)
    with pytest.raises(AccessDenied):
        await service.execute_scheduled_rotations(context=ALICE)


async def test_i8_where_credentials_are_sent_is_not_to_be_edited(service: SecretsService, database_url: str) -> None:
    policy = RotationPolicy(handler="webhook", options={"url": "https://rotate.example"})
    await service.update_secret(NAME, rotation_policy=policy)
    assert await current(service) == "first"
    await execute(
        database_url,
        "UPDATE secrets_vault SET metadata = replace(metadata::text, 'rotate.example', 'evil.example')::jsonb",
    )
    await service.invalidate_cache()
    with pytest.raises(IntegrityFailure):
        await service.rotate_secret(NAME, lambda: "second")


async def test_i5_a_purge_ends_a_rotation_for_good(service: SecretsService, target: Target, database_url: str) -> None:
    target.faults = ["refuse"]
    with pytest.raises(RotationFailed):
        await service.rotate_secret(NAME)
    await service.delete_secret(NAME)
    await let_pass(database_url)
    (waiting,) = await service.execute_scheduled_rotations()
    assert "not found" in (waiting.error_message or "")
    await service.purge_secret(NAME)
    assert await rows(database_url, "SELECT * FROM rotation_runs") == []
