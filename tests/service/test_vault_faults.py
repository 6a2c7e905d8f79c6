"""I2, I4, I11, I12: every fault of Key Vault through the whole service, for changes, and counted.

Nothing here measures time: a slow vault is one whose attempts are counted.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from holdfast.domain.names import SecretName
from holdfast.domain.secret import Source
from holdfast.errors import VaultRefusal
from holdfast.service.manager import SecretsService
from tests.service.test_vault_outage import FAULTS
from tests.support.node import Inside, opened, rows
from tests.support.postgres import execute
from tests.support.scripted_vault import ScriptedVault
from tests.support.vault_model import Phase
from tests.support.world import World

APPLIED: dict[str, dict[str, Any]] = {
    "applied, then dropped": {"drop": True, "applied": "once"},
    "applied, then 500": {"status": 500, "applied": "once"},
    "applied, then 408": {"status": 408, "applied": "once"},
    "applied, then silence": {"hang": True, "applied": "once"},
    "applied, then html": {"body": b"<html>", "content_type": "text/html", "applied": "once"},
}
PAUSES = ("", "soon", "1.5", "-5", "0", "9" * 30, "1e9", "Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 99 Foo 2020", "3, 4")
ODD: dict[str, dict[str, Any]] = {
    f"429 after {pause[:12]!r}": {"status": 429, "headers": {"Retry-After": pause}} for pause in PAUSES
}
OTHERS: dict[str, dict[str, Any]] = {
    "404 of nobody": {"body": b"nothing here", "status": 404, "content_type": "text/plain"},
    "404 of another API": {"status": 404, "code": "ResourceNotFound"},
    "302": {"status": 302, "headers": {"Location": "https://127.0.0.1:1/sign-in"}},
    "200 and null": {"body": b"null"},
}
CHANGE_FAULTS = {**FAULTS, **APPLIED, **ODD, **OTHERS}

Change = Callable[[SecretsService], Awaitable[object]]
CHANGES: dict[str, Change] = {
    "set": lambda service: service.set_secret("k", "new", tags={"a": "b"}),
    "update": lambda service: service.update_secret("k", tags={"a": "c"}),
    "delete": lambda service: service.delete_secret("k"),
    "recover": lambda service: service.recover_secret("gone"),
    "purge": lambda service: service.purge_secret("gone"),
}


@pytest.fixture
async def node(database_url: str, tmp_path: Path, scripted: ScriptedVault) -> AsyncIterator[Inside]:
    patience = timedelta(milliseconds=200)
    async with opened(database_url, tmp_path, scripted, read_patience=patience) as node:
        impatient(node)
        await node.service.set_secret("k", "old")
        await node.service.set_secret("gone", "v")
        await node.service.delete_secret("gone")
        yield node


def impatient(node: Inside) -> None:
    """Shorten what is waited for, so that a vault that hangs costs the test nothing."""
    replica = node.parts.replica
    assert replica is not None
    replica.primary._write_timeout_s = replica.primary._attempt_timeout_s = 0.2
    replica.replicator._deadline_s = 0.5
    replica.replicator._applier._settling = timedelta()


async def replay(node: Inside, dsn: str) -> None:
    """Replay until nothing waits, a parked change as if a person had asked for it."""
    assert node.parts.replica is not None
    for _ in range(10):
        await execute(
            dsn, "UPDATE secret_intents SET lease_until = now(), next_attempt_at = now() WHERE state = 'open'"
        )
        await node.parts.replica.reconciler.reconcile(retry=True)
        await node.parts.replica.replicator.drain()
        if await rows(dsn, "SELECT count(*) FROM secret_intents WHERE state IN ('open', 'parked')") == [(0,)]:
            return
    raise AssertionError(await rows(dsn, "SELECT kind, state, last_error FROM secret_intents WHERE state <> 'done'"))


async def check_equal(node: Inside, vault: ScriptedVault) -> None:
    """Both sides hold the same versions of every secret, each once, in the same state."""
    for name in ("k", "gone"):
        living, lying = vault.model.phase(name) is Phase.ACTIVE, vault.model.phase(name) is Phase.DELETED
        deleted = [secret.name for secret in await node.service.list_deleted_secrets()]
        assert (name in deleted) == lying, name
        assert (name in [secret.name for secret in await node.service.list_secrets()]) == living, name
        if living:
            versions = await node.service.list_secret_versions(name)
            ours = [(await node.service.get_secret_version(name, each.version)).value for each in versions]
            theirs = vault.model.history(name)
            assert [version.value for version in theirs] == ours
            marked = dict(theirs[-1].attributes.tags)
            assert {key: value for key, value in marked.items() if "holdfast" not in key} == dict(
                versions[-1].attributes.tags
            )


@pytest.mark.parametrize("change", CHANGES)
async def test_i2_i4_every_change_outlives_every_fault_and_takes_effect_once(
    node: Inside, scripted: ScriptedVault, database_url: str, change: str
) -> None:
    for name, fault in CHANGE_FAULTS.items():
        await prepare(node, change)
        before = await on_record(database_url, change)
        scripted.fail(change, times=2, **fault)
        told = await refused(node, change)
        assert await on_record(database_url, change) == before + (not told), name
        scripted.heal()
        await replay(node, database_url)
        await check_equal(node, scripted)


async def refused(node: Inside, change: str) -> bool:
    """Make a change; returns whether Key Vault's refusal was told."""
    try:
        await CHANGES[change](node.service)
    except VaultRefusal:
        return True
    return False


async def on_record(dsn: str, change: str) -> int:
    """How many changes of a kind have been accepted."""
    query = "SELECT count(*) FROM secret_access_logs WHERE success AND operation = $1 AND user_id = 'system'"
    ((count,),) = await rows(dsn, query, change)
    return int(count)


async def prepare(node: Inside, change: str) -> None:
    """Bring both secrets back to where the change makes sense."""
    service = node.service
    await service.set_secret("other", "v")  # a success, so that no breaker counts from one fault to the next
    deleted = [secret.name for secret in await service.list_deleted_secrets()]
    if "k" in deleted:
        await service.recover_secret("k")
    if change in {"recover", "purge"} and "gone" not in deleted:
        await service.set_secret("gone", "v")
        await service.delete_secret("gone")


@pytest.mark.parametrize("change", CHANGES)
async def test_i2_every_change_is_accepted_while_the_port_is_closed(
    node: Inside, scripted: ScriptedVault, database_url: str, change: str
) -> None:
    async with scripted.refusing():
        await CHANGES[change](node.service)
        status = await rows(database_url, "SELECT count(*) FROM secret_intents WHERE state = 'open'")
        assert status == [(1,)]
    await replay(node, database_url)
    await check_equal(node, scripted)


@pytest.mark.parametrize("change", CHANGES)
async def test_i2_every_change_is_accepted_in_a_read_only_failover_in_which_reads_go_on(
    node: Inside, scripted: ScriptedVault, database_url: str, change: str
) -> None:
    await node.service.set_secret("other", "v")
    scripted.model.read_only = True
    await CHANGES[change](node.service)
    await node.service.invalidate_cache()
    assert (await node.service.get_secret("other")).source is Source.KEYVAULT
    scripted.model.read_only = False
    await replay(node, database_url)
    await check_equal(node, scripted)


async def test_i11_the_rest_of_the_faults_is_answered_by_the_mirror_in_one_attempt(
    node: Inside, scripted: ScriptedVault
) -> None:
    for name, fault in {**ODD, **OTHERS}.items():
        await node.service.invalidate_cache()
        scripted.calls.clear()
        scripted.fail("get", **fault)
        secret = await node.service.get_secret("k")
        assert (secret.value, secret.source) == ("old", Source.MIRROR), name
        assert scripted.calls["get"] == 1, name
        scripted.heal()
        await node.service.invalidate_cache()
        assert (await node.service.get_secret("k")).source is Source.KEYVAULT, name


# --- what it costs (I12)


async def load(node: Inside, count: int = 10, rounds: int = 5) -> None:
    """Read some secrets as if their time in the cache had run out between rounds."""
    for _ in range(rounds):
        for number in range(count):
            assert (await node.service.get_secret(f"k{number}")).value == f"v{number}"
        await node.service.invalidate_cache()


@pytest.mark.parametrize("name", [*FAULTS, *OTHERS, "429 after 'soon'", "refusing", "every other"])
async def test_i12_reads_ask_no_more_of_a_sick_vault_than_of_a_healthy_one(
    database_url: str, tmp_path: Path, scripted: ScriptedVault, name: str
) -> None:
    """And no read waits for more than one attempt: before the breaker opens each makes one, after that none."""
    async with opened(database_url, tmp_path, scripted, read_patience=timedelta(milliseconds=100)) as node:
        for number in range(10):
            await node.service.set_secret(f"k{number}", f"v{number}")
        await node.service.invalidate_cache()
        scripted.calls.clear()
        await load(node)
        healthy = scripted.calls.total()
        assert scripted.calls["get"] >= 50  # a read that was slower than its patience may have been tried again
        scripted.calls.clear()
        if name == "refusing":
            async with scripted.refusing():
                await load(node)
        elif name == "every other":
            for _ in range(50):
                scripted.fail("get", status=500)
                scripted.fail("get", answer=lambda body: body)
            await load(node)
        else:
            for operation in ("get", "list"):
                scripted.fail(operation, times=1000, **CHANGE_FAULTS[name])
            await load(node)
            assert scripted.calls["get"] <= 8  # five attempts and what was asked to know that it is the vault
            assert node.parts.replica is not None
            assert node.parts.replica.primary.breakers["read"] == "open"
        assert scripted.calls.total() <= 1.2 * healthy


async def test_i12_changes_ask_little_more_of_a_vault_that_was_away_than_of_a_healthy_one(world: World) -> None:
    """Accepted in an outage, tried in vain, replayed: in virtual time, with the probes of a long outage."""
    for number in range(40):
        assert await world.set("v", name=SecretName(f"well-{number}"))
    healthy = world.vault.calls.total()
    world.vault.calls.clear()
    world.vault.down = True
    for number in range(40):
        assert not await world.set("v", name=SecretName(f"sick-{number}"))
    for _ in range(10):
        await world.replay()  # a minute passes
    world.vault.down = False
    probing = world.vault.calls.total()
    await world.settle()
    assert world.vault.calls.total() - probing <= 1.2 * healthy
    assert probing <= 5 + 10 + 5  # until the breaker opened, and one probe a minute, of either kind of traffic
    assert len([1 for number in range(40) if world.vault_values(SecretName(f"sick-{number}")) == ["v"]]) == 40
