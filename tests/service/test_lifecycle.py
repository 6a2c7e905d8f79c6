"""Deletion, recovery, purge, backup: what is served in which state, by every tier alike."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from holdfast.domain.secret import RotationPolicy
from holdfast.errors import (
    AccessDenied,
    Conflict,
    HoldfastError,
    InvalidInput,
    SecretDeleted,
    SecretDisabled,
    SecretNotFound,
    SecretOutsideValidity,
)
from holdfast.service.manager import SecretsService
from tests.support.node import Inside, opened, rows, service_on, within
from tests.support.scripted_vault import ScriptedVault

PAST, FUTURE = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)


async def outcome(call: Awaitable[Any]) -> object:
    """The value of what was read, or the kind of refusal."""
    try:
        return (await call).value
    except HoldfastError as error:
        return type(error)


async def test_delete_and_recover_bring_everything_back(service: SecretsService) -> None:
    await service.set_secret("k", "one")
    await service.set_secret("k", "two", tags={"a": "b"})
    deleted = await service.delete_secret("K")
    assert deleted.name == "k"
    assert (deleted.scheduled_purge_at - deleted.deleted_at).days == 90
    assert (await service.get_deleted_secret("k")).deleted_at == deleted.deleted_at
    assert [found.name for found in await service.list_deleted_secrets()] == ["k"]
    assert await service.list_secrets() == []
    recovered = await service.recover_secret("k")
    assert (recovered.version, dict(recovered.attributes.tags)) == (2, {"a": "b"})
    assert (await service.get_secret("k")).value == "two"
    assert (await service.get_secret_version("k", 1)).value == "one"
    assert await service.list_deleted_secrets() == []


LIVE_CALLS: list[Callable[[SecretsService], Awaitable[object]]] = [
    lambda s: s.get_secret("k"),
    lambda s: s.get_secret_version("k", 1),
    lambda s: s.list_secret_versions("k"),
    lambda s: s.update_secret("k", enabled=True),
    lambda s: s.rollback_secret("k", 1),
    lambda s: s.delete_secret("k"),
    lambda s: s.backup_secret("k"),
]
DEAD_CALLS: list[Callable[[SecretsService], Awaitable[object]]] = [
    lambda s: s.recover_secret("k"),
    lambda s: s.purge_secret("k"),
    lambda s: s.get_deleted_secret("k"),
]


async def test_i5_every_call_knows_the_state(service: SecretsService) -> None:
    for call in (*LIVE_CALLS, *DEAD_CALLS):
        with pytest.raises(SecretNotFound):
            await call(service)
    await service.set_secret("k", "v")
    await service.get_secret("k")
    for call in DEAD_CALLS:
        with pytest.raises(SecretNotFound):
            await call(service)
    await service.delete_secret("k")
    for call in LIVE_CALLS:
        with pytest.raises(SecretNotFound):
            await call(service)
    with pytest.raises(SecretDeleted):
        await service.set_secret("k", "v")
    await service.purge_secret("k")
    for call in (*LIVE_CALLS, *DEAD_CALLS):
        with pytest.raises(SecretNotFound):
            await call(service)
    assert (await service.set_secret("k", "anew")).version == 1


async def test_i5_a_purge_leaves_no_row_and_no_bytes(database_url: str, redis_url: str, tmp_path: Path) -> None:
    async with service_on(database_url, tmp_path, redis_url=redis_url) as service:
        await service.set_secret("k", "one", rotation_policy=RotationPolicy(), idempotency_key="once")
        await service.set_secret("k", "two")
        await service.grant_access("k", "alice", ["get"])
        with redis.Redis.from_url(redis_url) as client:

            async def shared() -> bool:
                """Redis is a hint: one that is slow is not waited for."""
                await service.invalidate_cache("k")
                await service.get_secret("k")
                return any(client.get(key)[22:] for key in client.keys("*"))

            await within(30, shared)
            await service.delete_secret("k")
            await service.purge_secret("k")
            assert not any(client.get(key)[22:] for key in client.keys("*"))
    for table in (
        "secrets_vault",
        "secret_versions",
        "secret_access_control",
        "secret_rotation_schedule",
        "idempotency_records",
    ):
        assert await rows(database_url, f"SELECT 1 FROM {table}") == [], table


async def test_purge_protection_leaves_the_end_to_the_retention_time(database_url: str, tmp_path: Path) -> None:
    async with service_on(database_url, tmp_path, purge_protection=True, retention_days=7) as service:
        await service.set_secret("k", "v")
        deleted = await service.delete_secret("k")
        assert (deleted.scheduled_purge_at - deleted.deleted_at).days == 7
        with pytest.raises(AccessDenied, match="purge protection"):
            await service.purge_secret("k")
        assert (await service.recover_secret("k")).version == 1


async def test_a_backup_brings_all_versions_back(service: SecretsService) -> None:
    await service.set_secret("Api-Key", "one", tags={"n": "1"})
    await service.set_secret("api-key", "two", enabled=False)
    made = await service.set_secret("api-key", "three", description="d", expires_at=FUTURE)
    blob = await service.backup_secret("api-key")
    for state in ("active", "deleted"):
        with pytest.raises(Conflict):
            await service.restore_secret(blob)
        await (service.delete_secret if state == "active" else service.purge_secret)("api-key")
    restored = await service.restore_secret(blob)
    assert (restored.version, restored.version_id) == (3, made.version_id)
    secret = await service.get_secret("api-key")
    assert (secret.value, secret.display_name, secret.description) == ("three", "Api-Key", "d")
    assert (await service.get_secret_version("api-key", 1)).value == "one"
    with pytest.raises(SecretDisabled):
        await service.get_secret_version("api-key", 2)
    assert (await service.set_secret("api-key", "four")).version == 4


async def test_a_damaged_backup_is_refused(service: SecretsService, database_url: str) -> None:
    await service.set_secret("k", "v")
    blob = await service.backup_secret("k")
    await service.delete_secret("k")
    await service.purge_secret("k")
    flipped = blob[:-1] + bytes([blob[-1] ^ 1])
    wrong: list[Any] = [b"", b"x", flipped, blob[:-1], blob + b"\0", b"\x01" * 500, "text", None]
    for given in wrong:
        with pytest.raises(InvalidInput):
            await service.restore_secret(given)
    assert await rows(database_url, "SELECT 1 FROM secrets_vault") == []


# --- I7: the tiers agree

STATES: dict[str, tuple[dict[str, Any], object]] = {
    "plain": ({}, "v"),
    "disabled": ({"enabled": False}, SecretDisabled),
    "expired": ({"expires_at": PAST}, "v"),
    "not yet valid": ({"not_before": FUTURE}, "v"),
    "expired, refused": ({"expires_at": PAST, "refuse_outside_validity": True}, SecretOutsideValidity),
    "not yet valid, refused": ({"not_before": FUTURE, "refuse_outside_validity": True}, SecretOutsideValidity),
    "disabled and expired": ({"enabled": False, "expires_at": PAST, "refuse_outside_validity": True}, SecretDisabled),
    "deleted": ({}, SecretNotFound),
}


@pytest.mark.parametrize("refuse_all", [False, True])
async def test_i7_every_tier_gives_the_same_answer(
    database_url: str, redis_url: str, tmp_path: Path, scripted: ScriptedVault, refuse_all: bool
) -> None:
    options: dict[str, Any] = {"redis_url": redis_url, "refuse_outside_validity": refuse_all}
    async with (
        opened(database_url, tmp_path / "1", scripted, **options) as inside,
        opened(database_url, tmp_path / "2", scripted, **options) as other,
    ):
        expected: dict[str, object] = {}
        for number, (state, (given, wanted)) in enumerate(STATES.items()):
            await inside.service.set_secret(f"k{number}", "v", **given)
            if state == "deleted":
                await inside.service.delete_secret(f"k{number}")
            refused = refuse_all and ("expires_at" in given or "not_before" in given) and wanted == "v"
            expected[state] = SecretOutsideValidity if refused else wanted
        await inside.service.invalidate_cache()
        asked = [f"k{number}" for number in range(len(STATES))]

        async def all_of(node: Inside) -> dict[str, object]:
            return dict(zip(STATES, [await outcome(node.service.get_secret(name)) for name in asked], strict=True))

        assert await all_of(inside) == expected  # Key Vault
        assert await all_of(inside) == expected  # L1

        async def all_from_redis() -> bool:  # which is left out of a read while it is slow
            await other.parts.local.clear()
            assert await all_of(other) == expected
            sources = await rows(database_url, "SELECT DISTINCT source FROM secret_access_logs WHERE operation = 'get'")
            return {("keyvault",), ("cache",), ("redis",)} <= set(sources)

        await within(60, all_from_redis)
        await inside.service.invalidate_cache()
        async with scripted.refusing():
            assert await all_of(inside) == expected  # the mirror
        assert ("mirror",) in await rows(database_url, "SELECT DISTINCT source FROM secret_access_logs")


# --- I3: what is acknowledged is seen


async def test_i3_after_an_acknowledged_write_nobody_reads_an_older_one(database_url: str, tmp_path: Path) -> None:
    async with service_on(database_url, tmp_path / "1") as here, service_on(database_url, tmp_path / "2") as there:
        await here.set_secret("k", "0")
        acknowledged, done, behind = 0, False, 0.0

        async def read_here() -> None:
            while not done:
                floor = acknowledged
                assert int((await here.get_secret("k")).value) >= floor
                await asyncio.sleep(0)

        async def read_there() -> None:
            last = 0
            while not done:
                seen = int((await there.get_secret("k")).value)
                assert seen >= last
                last = seen
                await asyncio.sleep(0)

        readers = [asyncio.ensure_future(read()) for read in (read_here, read_here, read_there)]
        for number in range(1, 40):
            await here.set_secret("k", str(number))
            acknowledged = number

            async def caught_up(number: int = number) -> bool:
                return int((await there.get_secret("k")).value) >= number

            behind = max(behind, await within(1, caught_up))
        done = True
        await asyncio.gather(*readers)


@pytest.mark.parametrize("change", ["delete", "disable", "purge"])
async def test_i5_what_is_gone_here_is_gone_there_within_a_second(
    database_url: str, redis_url: str, tmp_path: Path, change: str
) -> None:
    async with (
        service_on(database_url, tmp_path / "1", redis_url=redis_url) as here,
        service_on(database_url, tmp_path / "2", redis_url=redis_url) as there,
    ):
        await here.set_secret("k", "v")
        for node in (here, there):
            await node.get_secret("k")
        if change == "disable":
            await here.update_secret("k", enabled=False)
        else:
            await here.delete_secret("k")
        if change == "purge":
            await here.purge_secret("k")
        refusal = SecretDisabled if change == "disable" else SecretNotFound
        assert await outcome(here.get_secret("k")) is refusal

        async def gone() -> bool:
            return await outcome(there.get_secret("k")) is refusal

        await within(1, gone)


async def test_one_name_created_by_many_nodes_at_once(database_url: str, tmp_path: Path) -> None:
    async with service_on(database_url, tmp_path / "1") as here, service_on(database_url, tmp_path / "2") as there:
        made = await asyncio.gather(*((here, there)[n % 2].set_secret("k", f"v{n}") for n in range(10)))
        assert sorted(result.version for result in made) == list(range(1, 11))
        assert len(await rows(database_url, "SELECT 1 FROM secrets_vault")) == 1


# --- reports and caches


async def test_expiring_secrets_and_health(service: SecretsService) -> None:
    now = datetime.now(UTC)
    for name, days in (("later", 40), ("soon", 5), ("gone", -3)):
        await service.set_secret(name, "v", expires_at=now + timedelta(days=days), rotation_policy=RotationPolicy())
    await service.set_secret("never", "v")
    await service.set_secret("deleted", "v", expires_at=now)
    await service.delete_secret("deleted")
    found = await service.check_expiring_secrets(30)
    assert [entry.secret_name for entry in found] == ["gone", "soon"]
    assert found[0].days_until_expiry < 0 < found[1].days_until_expiry
    report = await service.get_secret_health()
    assert (report.total_secrets, report.expired, report.expiring_soon, report.deleted) == (4, 1, 1, 1)
    assert (report.without_rotation_policy, report.open_intents, report.parked_intents) == (1, 0, 0)
    assert report.healthy
    assert len(report.recommendations) == 3


async def test_warm_and_invalidate(service: SecretsService) -> None:
    await service.set_secret("a", "v")
    await service.set_secret("b", "v")
    assert await service.warm_cache(["a", "B", "absent"]) == 2
    assert (await service.get_secret("a")).source == "cache"
    await service.invalidate_cache("a")
    assert (await service.get_secret("a")).source == "mirror"
    assert (await service.get_secret("b")).source == "cache"
    await service.invalidate_cache()
    assert (await service.get_secret("b")).source == "mirror"
    await service.invalidate_cache("absent")
