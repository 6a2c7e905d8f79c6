"""Values, versions and attributes through the facade."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from holdfast.domain.changes import KEEP
from holdfast.domain.secret import RotationPolicy, Source
from holdfast.errors import (
    ChangePending,
    GenerationMismatch,
    IdempotencyMismatch,
    InvalidInput,
    SecretDisabled,
    SecretNotFound,
    SecretOutsideValidity,
    VersionNotFound,
)
from holdfast.service.manager import SecretsService
from tests.support.node import ALICE, rows

PAST = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
FUTURE = datetime.now(UTC).replace(microsecond=0) + timedelta(days=20)


async def test_what_is_set_is_read(service: SecretsService) -> None:
    made = await service.set_secret(
        "Api-Key",
        "s3cret",
        description="for the shop",
        content_type="text/plain",
        expires_at=FUTURE,
        tags={"team": "shop"},
    )
    secret = await service.get_secret("API-KEY")
    assert (made.name, made.version, made.replicated) == ("api-key", 1, True)
    assert (secret.value, secret.version, secret.version_id) == ("s3cret", 1, made.version_id)
    assert (secret.display_name, secret.description, secret.content_type) == ("Api-Key", "for the shop", "text/plain")
    assert (secret.expires_at, dict(secret.tags), secret.stale) == (FUTURE, {"team": "shop"}, False)
    assert secret.source is Source.CACHE
    await service.invalidate_cache()
    assert (await service.get_secret("api-key")).source is Source.MIRROR


@pytest.mark.parametrize("value", ["", " ", "\n", "a\0b", "*****", "ä€🔑", "x" * 25_600, '{"json": [1]}'])
async def test_values_come_back_as_they_are(service: SecretsService, value: str) -> None:
    await service.set_secret("k", value)
    assert (await service.get_secret("k")).value == value
    assert (await service.get_secret("k")).value == value


async def test_versions_by_number_and_id(service: SecretsService) -> None:
    made = [await service.set_secret("k", f"v{number}") for number in (1, 2, 3)]
    listed = await service.list_secret_versions("k")
    assert [version.version for version in listed] == [1, 2, 3]
    assert [version.current for version in listed] == [False, False, True]
    for result in made:
        assert (await service.get_secret_version("k", result.version)).value == f"v{result.version}"
        assert (await service.get_secret_version("k", result.version_id.upper())).version == result.version
    with pytest.raises(VersionNotFound):
        await service.get_secret_version("k", 4)
    with pytest.raises(VersionNotFound):
        await service.get_secret_version("k", "0" * 32)


async def test_a_version_of_another_secret_is_not_there(service: SecretsService) -> None:
    await service.set_secret("a", "of a")
    other = await service.set_secret("b", "of b")
    with pytest.raises(VersionNotFound):
        await service.get_secret_version("a", other.version_id)


async def test_rollback_makes_a_new_version_and_keeps_history(service: SecretsService) -> None:
    await service.set_secret("k", "old", content_type="old/type", tags={"n": "1"})
    await service.set_secret("k", "new", expires_at=FUTURE)
    made = await service.rollback_secret("k", 1)
    secret = await service.get_secret("k")
    assert (made.version, secret.version, secret.value) == (3, 3, "old")
    assert (secret.content_type, dict(secret.tags), secret.expires_at) == ("old/type", {"n": "1"}, None)
    assert [version.version for version in await service.list_secret_versions("k")] == [1, 2, 3]
    with pytest.raises(VersionNotFound):
        await service.rollback_secret("k", 9)
    with pytest.raises(GenerationMismatch):
        await service.rollback_secret("k", 1, expected_generation=2)


async def test_a_write_tells_which_dates_of_the_former_version_it_leaves_out(service: SecretsService) -> None:
    assert (await service.set_secret("k", "1", expires_at=FUTURE, not_before=PAST)).dropped == ()
    assert (await service.set_secret("k", "2", expires_at=FUTURE)).dropped == ("not_before",)
    first = await service.set_secret("k", "3", idempotency_key="once")
    assert first.dropped == ("expires_at",)
    assert (await service.set_secret("k", "3", idempotency_key="once")).dropped == ("expires_at",)
    assert (await service.set_secret("k", "4")).dropped == ()
    await service.update_secret("k", expires_at=FUTURE)
    assert (await service.rollback_secret("k", 1)).dropped == ("expires_at",)


async def test_update_keeps_what_is_not_given_and_clears_with_none(service: SecretsService) -> None:
    policy = RotationPolicy(interval_days=30)
    await service.set_secret(
        "k", "v", description="d", content_type="c", expires_at=FUTURE, tags={"a": "1"}, rotation_policy=policy
    )
    await service.update_secret("k", tags={"b": "2"})
    kept = await service.get_secret("k")
    assert (kept.version, kept.content_type, kept.expires_at, dict(kept.tags)) == (1, "c", FUTURE, {"b": "2"})
    await service.update_secret("k", expires_at=None, content_type=None, tags=None, description=None, enabled=KEEP)
    cleared = await service.get_secret("k")
    assert (cleared.value, cleared.content_type, cleared.expires_at, cleared.description) == ("v", None, None, None)
    assert dict(cleared.tags) == {}
    (summary,) = await service.list_secrets()
    assert summary.settings.rotation_policy == policy


async def test_update_of_an_earlier_version_leaves_the_current_one(service: SecretsService) -> None:
    first = await service.set_secret("k", "one")
    await service.set_secret("k", "two")
    updated = await service.update_secret("k", version=first.version_id, enabled=False)
    assert (updated.version, updated.enabled) == (1, False)
    assert (await service.get_secret("k")).value == "two"
    with pytest.raises(SecretDisabled):
        await service.get_secret_version("k", 1)


async def test_the_schedule_follows_the_policy(service: SecretsService, database_url: str) -> None:
    schedule = "SELECT rotation_policy ->> 'interval_days' FROM secret_rotation_schedule"
    await service.set_secret("k", "v", rotation_policy=RotationPolicy(interval_days=30))
    assert await rows(database_url, schedule) == [("30",)]
    await service.set_secret("k", "v2")
    assert await rows(database_url, schedule) == [("30",)]
    await service.update_secret("k", rotation_policy=None)
    assert await rows(database_url, schedule) == []


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": "a_b"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 128}, "name"),
        ({"name": None}, "name"),
        ({"value": b"bytes"}, "value"),
        ({"value": "x" * 25_601}, "value"),
        ({"value": "\ud800"}, "value"),
        ({"tags": {str(n): "" for n in range(16)}}, "tags"),
        ({"expires_at": datetime(2030, 1, 1)}, "expires_at"),  # noqa: DTZ001 - without a zone, which is the point
        ({"expires_at": PAST, "not_before": FUTURE}, "expires_at"),
        ({"enabled": 1}, "enabled"),
        ({"notify_on_expiry": ["a@b\r\nBcc: c@d"]}, "notify_on_expiry"),
        ({"expected_generation": -1}, "expected_generation"),
        ({"idempotency_key": ""}, "idempotency_key"),
    ],
)
async def test_bad_input_names_its_field_and_writes_nothing(
    service: SecretsService, database_url: str, given: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await service.set_secret(**{"name": "k", "value": "v", **given})
    assert refused.value.field == field
    assert await rows(database_url, "SELECT 1 FROM secrets_vault") == []


async def test_expected_generation(service: SecretsService) -> None:
    with pytest.raises(GenerationMismatch):
        await service.set_secret("k", "v", expected_generation=1)
    assert (await service.set_secret("k", "v", expected_generation=0)).version == 1
    with pytest.raises(GenerationMismatch):
        await service.set_secret("k", "v", expected_generation=0)
    assert (await service.set_secret("k", "v", expected_generation=1)).version == 2
    with pytest.raises(GenerationMismatch):
        await service.update_secret("k", enabled=False, expected_generation=1)


async def test_of_racing_writes_with_one_expectation_one_wins(service: SecretsService) -> None:
    await service.set_secret("k", "v")
    racing = [service.set_secret("k", f"r{number}", expected_generation=1) for number in range(20)]
    outcomes = await asyncio.gather(*racing, return_exceptions=True)
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, GenerationMismatch) for outcome in outcomes) == 19


async def test_i4_the_same_key_gives_the_same_answer(service: SecretsService) -> None:
    first = await service.set_secret("k", "v", idempotency_key="once")
    assert await service.set_secret("k", "v", idempotency_key="once") == first
    assert len(await service.list_secret_versions("k")) == 1
    for changed in ({"value": "other"}, {"value": "v", "tags": {"a": "b"}}, {"value": "v", "expected_generation": 1}):
        with pytest.raises(IdempotencyMismatch):
            await service.set_secret("k", idempotency_key="once", **changed)
    with pytest.raises(IdempotencyMismatch):
        await service.set_secret("other", "v", idempotency_key="once")


async def test_i4_keys_belong_to_their_callers(service: SecretsService) -> None:
    await service.grant_access("*", "alice", ["set"])
    mine = await service.set_secret("k", "v", idempotency_key="once")
    theirs = await service.set_secret("k", "v", idempotency_key="once", context=ALICE)
    assert (mine.version, theirs.version) == (1, 2)


@pytest.mark.parametrize("exists", [True, False])
async def test_i4_one_key_at_the_same_moment_makes_one_version(service: SecretsService, exists: bool) -> None:
    if exists:
        await service.set_secret("k", "before")
    answers = await asyncio.gather(*(service.set_secret("k", "v", idempotency_key="once") for _ in range(20)))
    assert len({answer.version_id for answer in answers}) == 1
    assert len(await service.list_secret_versions("k")) == 1 + exists


async def test_i2_concurrent_sets_make_dense_distinct_versions(service: SecretsService) -> None:
    async def patient(number: int) -> int:
        while True:
            with suppress(ChangePending):  # on a busy machine 199 others may take longer than a caller is kept waiting
                return (await service.set_secret("k", f"v{number}")).version

    made = await asyncio.gather(*map(patient, range(200)))
    assert sorted(made) == list(range(1, 201))
    by_version = {version: f"v{number}" for number, version in enumerate(made)}
    assert (await service.get_secret("k")).value == by_version[200]
    assert (await service.get_secret_version("k", 77)).value == by_version[77]


@pytest.mark.parametrize("refuse", [True, False])
@pytest.mark.parametrize("window", [{"expires_at": PAST}, {"not_before": FUTURE}])
async def test_outside_validity_is_marked_or_refused_by_the_secret(
    service: SecretsService, window: dict[str, Any], refuse: bool
) -> None:
    await service.set_secret("k", "v", refuse_outside_validity=refuse, **window)
    for _ in ("mirror", "cache"):
        if refuse:
            with pytest.raises(SecretOutsideValidity):
                await service.get_secret("k")
        else:
            secret = await service.get_secret("k")
            assert (secret.expired, secret.not_yet_valid) == ("expires_at" in window, "not_before" in window)
    if refuse:
        with pytest.raises(SecretOutsideValidity):
            await service.get_secret_version("k", 1)


async def test_what_nobody_set_is_not_there(service: SecretsService) -> None:
    for ask in (service.get_secret, service.list_secret_versions, service.delete_secret, service.backup_secret):
        with pytest.raises(SecretNotFound, match="Secret not found"):
            await ask("nothing")


async def test_who_made_and_who_changed_a_secret_is_kept_and_when(service: SecretsService, database_url: str) -> None:
    kept = "SELECT created_by, updated_by, updated_at > created_at FROM secrets_vault"
    await service.grant_access("k", "alice", ["set"])
    await service.set_secret("k", "v")
    assert await rows(database_url, kept) == [("system", "system", False)]
    await service.update_secret("k", tags={"a": "b"}, context=ALICE)
    assert await rows(database_url, kept) == [("system", "alice", True)]
