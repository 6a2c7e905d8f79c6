"""Callers that go away at any moment: they are let go at once, nothing is left hanging, nothing half done."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from holdfast.errors import HoldfastError
from holdfast.service.manager import SecretsService
from tests.support.node import ALICE, Inside, opened, rows, within
from tests.support.scripted_vault import ScriptedVault

TRIALS = 60
STEPS = 400
"""Turns of the loop before the cancellation, at most: from before the first await to after the answer."""

Call = Callable[[SecretsService, int], Awaitable[object]]


async def _read(service: SecretsService, _: int) -> object:
    await service.invalidate_cache("k")
    return await service.get_secret("k", context=ALICE)


async def _set(service: SecretsService, trial: int) -> object:
    return await service.set_secret("w", f"value {trial}", idempotency_key=f"trial-{trial}", context=ALICE)


async def _turn(service: SecretsService, _: int) -> object:
    await service.delete_secret("t", context=ALICE)
    return await service.recover_secret("t", context=ALICE)


CALLS: dict[str, Call] = {
    "read": _read,
    "read from the cache": lambda service, _: service.get_secret("k", context=ALICE),
    "set": _set,
    "delete and recover": _turn,
    "list": lambda service, _: service.list_secrets(context=ALICE),
    "grant": lambda service, trial: service.grant_access("k", f"user-{trial}", ["get"]),
    "check": lambda service, _: service.check_access("k", "alice", "get"),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("behind", ["standalone", "vault"])
async def test_a_caller_that_goes_away_is_let_go_and_leaves_nothing_behind(
    database_url: str, tmp_path: Path, scripted: ScriptedVault, name: str, behind: str
) -> None:
    vault = scripted if behind == "vault" else None
    async with opened(database_url, tmp_path, vault, read_patience=timedelta(seconds=5)) as node:
        await prepare(node)
        deaf = [steps for steps in spread() if not await cancelled_after(node, CALLS[name], steps)]
        assert deaf == [], "these numbers of steps before it, the cancellation was swallowed"
        await check_whole(node, database_url)


def spread() -> list[int]:
    """The first steps one by one, and many of the later ones."""
    dice = random.Random(7)
    return [*range(12), *(dice.randrange(STEPS) for _ in range(TRIALS - 12))]


async def prepare(node: Inside) -> None:
    for secret in ("k", "w", "t"):
        await node.service.set_secret(secret, "v")
    await node.service.grant_access("*", "alice", ["get", "set", "list", "delete", "recover"])


async def cancelled_after(node: Inside, call: Call, steps: int) -> bool:
    """Whether a call that was under way ends as cancelled, or by a refusal that the former trial left cause for."""
    task = asyncio.ensure_future(call(node.service, steps))
    for _ in range(steps):
        await asyncio.sleep(0)
    under_way = task.cancel()
    async with asyncio.timeout(30):
        await asyncio.wait({task})
    if not under_way or task.cancelled():
        return True
    return isinstance(task.exception(), HoldfastError)


async def check_whole(node: Inside, dsn: str) -> None:
    """All connections are back, no lock is held, every version has its record, and each was made once."""
    if "t" in [secret.name for secret in await node.service.list_deleted_secrets()]:
        await node.service.recover_secret("t")
    async with asyncio.timeout(30):
        await asyncio.gather(*(node.service.set_secret("w", f"{number}") for number in range(20)))
        await asyncio.gather(*(node.service.get_secret("k") for _ in range(20)))
    idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"

    async def nobody_stays() -> bool:  # the audit trail may be at work for a moment
        return await rows(dsn, idle) == [(0,)]

    await within(10, nobody_stays)
    numbers = [version.version for version in await node.service.list_secret_versions("w")]
    assert numbers == list(range(1, len(numbers) + 1))
    on_record = "SELECT version FROM secret_access_logs WHERE secret_name = 'w' AND operation = 'set' AND success"
    assert sorted(row[0] for row in await rows(dsn, on_record)) == numbers
    values = [(await node.service.get_secret_version("w", number)).value for number in numbers]
    assert len(set(values)) == len(values)


async def test_a_node_that_closes_lets_its_readers_go(
    database_url: str, tmp_path: Path, scripted: ScriptedVault
) -> None:
    """With an error that they may retry elsewhere, not with a cancellation that nobody asked for."""
    async with opened(database_url, tmp_path, scripted, read_patience=timedelta(seconds=5)) as node:
        await node.service.set_secret("k", "v")
        await node.service.invalidate_cache()
        scripted.calls.clear()
        scripted.fail("get", times=9, hang=True)
        readers = [asyncio.create_task(node.service.get_secret("k")) for _ in range(3)]
        while not scripted.calls["get"]:
            await asyncio.sleep(0.001)
        await node.parts._flights.aclose()
        endings = await asyncio.gather(*readers, return_exceptions=True)
        assert all(isinstance(ending, HoldfastError) and ending.retryable for ending in endings), endings
