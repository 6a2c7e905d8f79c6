"""Somebody holds a table or a row of PostgreSQL, which answers all the same: reads and other writes go on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.domain.names import SecretName
from holdfast.domain.secret import Attributes, Source
from holdfast.errors import BackendUnavailable
from holdfast.stores.postgres.pools import COMMAND_TIMEOUT_S
from tests.support.locks import WHO, exclusively, holding
from tests.support.node import Inside, opened, rows, within
from tests.support.postgres import execute, fetch
from tests.support.scripted_vault import ScriptedVault

COLD = [f"cold-{number}" for number in range(8)]
"""Secrets that Key Vault and the mirror have, and no cache."""


@pytest.fixture
async def node(database_url: str, tmp_path: Path, scripted: ScriptedVault) -> AsyncIterator[Inside]:
    async with opened(database_url, tmp_path, scripted) as node:
        for name in ("warm", *COLD):
            await node.service.set_secret(name, f"value of {name}")
        await node.look()
        yield node


async def tables(dsn: str) -> list[str]:
    query = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename NOT LIKE '%\\_2%'"
    return [name for (name,) in await rows(dsn, query)]


async def all_read(node: Inside) -> set[Source]:
    """Where every secret was read from, twice; no read waited for as long as a statement may take."""
    patience = asyncio.create_task(asyncio.sleep(COMMAND_TIMEOUT_S))
    sources = set()
    for name in (*COLD, "warm") * 2:
        secret = await node.service.get_secret(name)
        assert secret.value == f"value of {name}"
        sources.add(secret.source)
    assert not patience.done()
    patience.cancel()
    return sources


async def quiet(node: Inside) -> None:
    """Nothing waits, and the node asks PostgreSQL again."""

    async def confirmed() -> bool:
        await node.service.invalidate_cache()
        return not (await node.service.get_secret("warm")).stale

    await within(60, confirmed)
    await node.look()


async def test_i11_reads_go_on_whichever_table_somebody_holds(node: Inside, database_url: str) -> None:
    for table in await tables(database_url):
        await quiet(node)
        async with holding(database_url, exclusively(table)):
            assert Source.KEYVAULT in await all_read(node), table


async def test_what_only_the_mirror_has_is_worth_a_wait(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as node:
        await node.service.set_secret("k", "v")
        await node.service.invalidate_cache()
        async with holding(database_url, exclusively("secrets_vault")):
            waiting = asyncio.create_task(node.service.get_secret("k"))
            await within(30, lambda: refused_once(node))
            assert not waiting.done()
        assert (await waiting).value == "v"


async def refused_once(node: Inside) -> bool:
    """Whether a read has waited in vain, so that the next ones do not ask PostgreSQL."""
    try:
        await node.database.look("SELECT 1 FROM secrets_vault")
    except BackendUnavailable:
        return True
    return False


async def test_i3_a_name_that_waits_for_key_vault_is_not_read_from_there_while_the_journal_is_held(
    node: Inside, database_url: str, scripted: ScriptedVault
) -> None:
    scripted.model.set("cold-1", "an older value, as seen before the change", Attributes())
    node.parts.coherence.unsettled.announce(SecretName("cold-1"), 10**9)
    await node.service.invalidate_cache()
    async with holding(database_url, exclusively("secret_intents")):
        with pytest.raises(BackendUnavailable):
            await node.service.get_secret("cold-1")
        other = await node.service.get_secret("cold-2")
        assert (other.value, other.stale) == ("value of cold-2", True)


async def test_other_secrets_are_changed_while_somebody_holds_the_row_of_one(node: Inside, database_url: str) -> None:
    held = "SELECT 1 FROM secrets_vault WHERE secret_name = 'cold-0' FOR UPDATE"
    async with holding(database_url, held) as holder:
        queue = f"SELECT count(*) FROM pg_stat_activity WHERE {holder} = ANY (pg_blocking_pids(pid))"
        waiting = [asyncio.create_task(node.service.set_secret("cold-0", "w")) for _ in range(12)]
        for name in COLD[1:]:
            assert (await node.service.set_secret(name, "w")).replicated
            assert (await node.service.get_secret(name)).value == "w"
            assert int(str(await fetch(database_url, queue))) <= 1, "one waits for the row, the others for their turn"
        with pytest.raises(BackendUnavailable, match="holds"):
            await waiting[0]
        for each in waiting:
            each.cancel()
        await asyncio.wait(waiting)
    assert (await node.service.set_secret("cold-0", "w")).replicated


async def test_health_names_the_session_in_the_way_and_never_what_it_does(node: Inside, database_url: str) -> None:
    """The one that holds the lock, and the one that waits for it before us."""
    seen = "SELECT 1 AS marked_text FROM secrets_vault"
    async with holding(database_url, seen) as first, holding(database_url) as second:
        waiting = asyncio.create_task(execute(database_url, "ALTER TABLE secrets_vault ADD COLUMN added_by_hand int"))

        async def told() -> bool:
            with pytest.raises(BackendUnavailable, match="another session of PostgreSQL holds") as refused:
                await node.service.get_secret_health()
            return f"pid {first} ({WHO}, for " in str(refused.value) and "marked" not in str(refused.value)

        await within(60, lambda: refused_once(node))
        await within(60, told)
        down = next(each for each in node.service.backends() if each.name == "postgresql")
        assert (down.healthy, f"pid {first}" in down.detail, f"pid {second}" in down.detail) == (False, True, False)
    await waiting

    async def over() -> bool:
        return (await node.service.get_secret_health()).healthy

    await within(60, over)


async def test_no_read_waits_again_to_find_out_whether_the_lock_is_gone(node: Inside, database_url: str) -> None:
    async with holding(database_url, exclusively("secrets_vault")) as holder:
        await within(60, lambda: refused_once(node))

        async def looked_at() -> bool:
            """Whether a session of ours waits for the lock, and the read that made it look is answered."""
            with pytest.raises(BackendUnavailable, match="left alone"):
                await node.database.look("SELECT 1 FROM secrets_vault")
            query = f"SELECT EXISTS (SELECT FROM pg_stat_activity WHERE {holder} = ANY (pg_blocking_pids(pid)))"
            return bool(await fetch(database_url, query))

        await within(60, looked_at)

    async def asked_again() -> bool:
        return not await refused_once(node)

    await within(60, asked_again)


async def test_a_table_that_is_changed_under_a_change_refuses_it_as_retryable(node: Inside, database_url: str) -> None:
    await node.service.set_secret("k", "v")
    await execute(database_url, "ALTER TABLE secrets_vault ADD COLUMN added_by_hand int")

    async def changed() -> bool:
        try:
            await node.service.set_secret("k", "w")
        except BackendUnavailable:  # to be tried again
            return False
        return True

    await within(60, changed)
    assert (await node.service.get_secret("k")).value == "w"
