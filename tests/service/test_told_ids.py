"""What id callers are told: Key Vault's once it is known, the same on every tier, and never a third one."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.node import Inside, opened, within
from tests.support.scripted_vault import ScriptedVault


@pytest.fixture
async def node(database_url: str, tmp_path: Path, scripted: ScriptedVault) -> AsyncIterator[Inside]:
    async with opened(database_url, tmp_path, scripted) as node:
        yield node


def _given(scripted: ScriptedVault) -> str:
    return scripted.model.history("k")[-1].id


async def _told(node: Inside) -> set[str]:
    """The ids that callers are told of the current version, by every way there is."""
    (listed,) = await node.service.list_secrets()
    return {
        (await node.service.get_secret("k")).version_id,
        (await node.service.list_secret_versions("k"))[-1].version_id,
        listed.current.version_id,
    }


async def test_a_write_that_key_vault_takes_is_told_by_its_id_there_everywhere(
    node: Inside, scripted: ScriptedVault
) -> None:
    for value in ("one", "two"):
        made = await node.service.set_secret("k", value)
        assert {made.version_id} == await _told(node) == {_given(scripted)}
    again = await node.service.rollback_secret("k", 1)
    assert {again.version_id} == await _told(node) == {_given(scripted)}
    deleted = await node.service.delete_secret("k")
    recovered = await node.service.recover_secret("k")
    assert {deleted.current.version_id, recovered.version_id} == {_given(scripted)}


async def test_a_repeated_request_is_told_the_id_that_was_told_first(node: Inside, scripted: ScriptedVault) -> None:
    taken = [(await node.service.set_secret("k", "v", idempotency_key="taken")).version_id for _ in range(2)]
    assert taken == [_given(scripted)] * 2
    async with scripted.refusing():
        first = await node.service.set_secret("k", "w", idempotency_key="accepted")
        assert not first.replicated
        assert await _told(node) == {first.version_id}
    await _replayed(node)
    assert (await node.service.set_secret("k", "w", idempotency_key="accepted")).version_id == first.version_id
    assert await _told(node) == {_given(scripted)} != {first.version_id}
    for known_as in (first.version_id, _given(scripted)):
        assert (await node.service.get_secret_version("k", known_as)).value == "w"


async def test_an_id_changes_once_though_the_version_moves_on_to_an_equal_one(
    node: Inside, scripted: ScriptedVault
) -> None:
    made = await node.service.set_secret("k", "v")
    current = scripted.model.history("k")[-1]
    scripted.model.set("k", current.value, current.attributes)  # as a request of ours that arrives twice
    replica = node.parts.replica
    assert replica is not None
    await replica.sync.sync()
    assert await _told(node) == {made.version_id}
    assert _given(scripted) != made.version_id
    assert (await node.service.get_secret_version("k", _given(scripted))).version_id == made.version_id


async def _replayed(node: Inside) -> None:
    replica = node.parts.replica
    assert replica is not None

    async def done() -> bool:
        await replica.replicator.drain()
        await asyncio.sleep(0.2)
        return not (await node.parts.journal.status()).open

    await within(90, done)
