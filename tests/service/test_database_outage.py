"""PostgreSQL is away: what Key Vault says is answered, and what nobody can tell is not made up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from holdfast.domain.secret import Attributes, Source
from holdfast.errors import BackendUnavailable, InvalidInput
from holdfast.stores.postgres.errors import translating
from holdfast.stores.postgres.pools import COMMAND_TIMEOUT_S
from tests.support.cable import cable_to
from tests.support.node import opened, within
from tests.support.postgres import TEMPLATE, execute, for_database
from tests.support.scripted_vault import ScriptedVault


@asynccontextmanager
async def away(dsn: str) -> AsyncIterator[None]:
    """The database is there under another name only."""
    name, server = urlsplit(dsn).path[1:], for_database(dsn, TEMPLATE)
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    for _ in range(50):  # whoever is quick connects again in between
        try:
            await execute(server, end, f"ALTER DATABASE {name} RENAME TO {name}_away")
            break
        except asyncpg.ObjectInUseError:
            continue
    try:
        yield
    finally:
        await execute(server, f"ALTER DATABASE {name}_away RENAME TO {name}")


async def test_a_version_made_in_key_vault_has_its_number_where_it_is_remembered_and_else_none(
    database_url: str, tmp_path: Path, scripted: ScriptedVault
) -> None:
    scripted.model.set("known", "v", Attributes())
    scripted.model.set("unknown", "u", Attributes())
    async with opened(database_url, tmp_path, scripted, cache_ttl=timedelta(seconds=1)) as node:
        service = node.service
        await service.list_secret_versions("known")  # which numbers them
        before = await service.get_secret("known")
        await node.look()
        async with away(database_url):
            unknown = await service.get_secret("unknown")
            assert (unknown.value, unknown.source, unknown.version) == ("u", Source.KEYVAULT, 0)
            assert unknown.version_id == scripted.model.history("unknown")[0].id
            with pytest.raises(InvalidInput):
                await service.get_secret_version("unknown", unknown.version)

            async def asked() -> bool:
                return (await service.get_secret("known")).source is Source.KEYVAULT

            await within(30, asked)
            known = await service.get_secret("known")
            assert (known.value, known.version, known.version_id) == ("v", 1, before.version_id)
            scripted.model.set("known", "w", Attributes())
            newer = await service.get_secret("known")
            assert (newer.value, newer.version) == ("w", 0)
            scripted.model.set("known", "v", Attributes())  # the same value again is another version
            assert (await service.get_secret("known")).version == 0

        async def back() -> bool:
            try:
                return (await service.get_secret("unknown")).version == 1
            except BackendUnavailable:
                return False

        await within(30, back)
        await service.invalidate_cache()
        await service.get_secret("known")  # of the versions made meanwhile, this takes over the newest
        assert [version.version for version in await service.list_secret_versions("known")] == [1, 2, 3]


async def test_a_cancellation_is_not_replaced_by_the_error_of_giving_a_dead_connection_back() -> None:
    async def dead() -> None:
        with translating():
            try:
                await asyncio.sleep(3600)
            finally:
                raise TimeoutError("the server did not see the connection off")

    waiting = asyncio.create_task(dead())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await dead()


async def test_a_time_out_is_an_outage_though_it_began_with_a_cancellation() -> None:
    with pytest.raises(BackendUnavailable), translating():
        async with asyncio.timeout(0):
            await asyncio.sleep(3600)


async def test_reads_do_not_each_wait_for_a_database_that_is_silent(database_url: str, tmp_path: Path) -> None:
    async with cable_to(database_url) as cable, opened(cable.dsn, tmp_path, cache_ttl=timedelta(seconds=1)) as node:
        await node.service.set_secret("k", "v")
        await node.service.get_secret("k")
        cable.freeze()

        async def given_up() -> bool:
            return not node.parts.feed.answering()

        await within(30, given_up)
        patience = asyncio.create_task(asyncio.sleep(COMMAND_TIMEOUT_S))  # what each would wait for otherwise
        for _ in range(50):
            secret = await node.service.get_secret("k")
            assert (secret.value, secret.source) == ("v", Source.CACHE)
        with pytest.raises(BackendUnavailable, match="no sign of life"):
            await node.service.set_secret("k", "w")
        assert not patience.done()
        patience.cancel()
        cable.mend()

        async def changed() -> bool:
            try:
                await node.service.set_secret("k", "w")
            except BackendUnavailable:
                return False
            return True

        await within(30, changed)
        assert (await node.service.get_secret("k")).value == "w"
