"""What a node has just written or answered outlives PostgreSQL's end, and never turns into something older."""

from datetime import timedelta
from pathlib import Path

import pytest

from holdfast.domain.secret import Attributes, Source
from holdfast.errors import BackendUnavailable, HoldfastError
from holdfast.service.manager import SecretsService
from tests.service.test_database_outage import away
from tests.support.cable import Cable, cable_to
from tests.support.node import Inside, opened, service_on, within
from tests.support.scripted_vault import ScriptedVault

SECOND = timedelta(seconds=1)


async def lost(node: Inside) -> bool:
    """Whether the node has noticed that PostgreSQL is gone."""
    return not node.parts.feed.live()


async def found(node: Inside) -> bool:
    return node.parts.feed.live()


async def mended(node: Inside, cable: Cable) -> None:
    cable.mend()
    await within(60, lambda: found(node))


@pytest.mark.parametrize("with_vault", [False, True])
async def test_what_was_just_written_is_read_though_postgresql_dies(
    database_url: str, tmp_path: Path, scripted: ScriptedVault, with_vault: bool
) -> None:
    async with opened(database_url, tmp_path, scripted if with_vault else None) as node:
        made = await node.service.set_secret("k", "v")
        await node.service.update_secret("k", tags={"a": "b"})
        async with away(database_url):
            secret = await node.service.get_secret("k")
            assert (secret.value, secret.version, dict(secret.tags)) == ("v", 1, {"a": "b"})
            assert secret.version_id == made.version_id


async def test_another_node_finds_it_in_redis(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """Redis is a hint, and may be slow: what it did not take is written once more."""
    async with (
        opened(database_url, tmp_path / "1", redis_url=redis_url) as one,
        opened(database_url, tmp_path / "2", redis_url=redis_url) as two,
    ):
        made = await one.service.set_secret("k", "v")
        assert one.parts.shared is not None

        async def shared() -> bool:
            return await one.parts.shared.get(made.name) is not None  # type: ignore[union-attr]

        await within(30, shared)
        async with away(database_url):
            assert (await two.service.get_secret("k")).value == "v"


@pytest.mark.parametrize("change", ["delete", "disable", "purge"])
async def test_i5_what_was_just_taken_away_is_not_read_though_postgresql_dies(
    database_url: str, redis_url: str, tmp_path: Path, scripted: ScriptedVault, change: str
) -> None:
    async with (
        opened(database_url, tmp_path / "1", scripted, redis_url=redis_url) as here,
        opened(database_url, tmp_path / "2", scripted, redis_url=redis_url) as there,
    ):
        await here.service.set_secret("k", "v")
        await there.service.get_secret("k")
        await there.look()
        scripted.model.read_only = True
        await gone(here.service, change)
        await within(1, lambda: heard(there))
        async with away(database_url):
            for node in (here, there):
                with pytest.raises(HoldfastError):
                    await node.service.get_secret("k")


async def gone(service: SecretsService, change: str) -> None:
    if change == "disable":
        await service.update_secret("k", enabled=False)
    else:
        await service.delete_secret("k")
    if change == "purge":
        await service.purge_secret("k")


async def heard(node: Inside) -> bool:
    """Whether the node has been told of the last change, by then with nothing in its memory."""
    return not len(node.parts.local._held)


async def test_reconnecting_does_not_empty_the_memory(database_url: str, tmp_path: Path) -> None:
    async with cable_to(database_url) as cable, opened(cable.dsn, tmp_path) as node:
        await node.service.set_secret("k", "v")
        for _ in range(2):
            cable.cut()
            await within(60, lambda: lost(node))
            assert (await node.service.get_secret("k")).value == "v"
            await mended(node, cable)


async def test_i3_after_reconnecting_what_was_missed_is_noticed(database_url: str, tmp_path: Path) -> None:
    async with (
        cable_to(database_url) as cable,
        opened(cable.dsn, tmp_path / "1") as cut,
        service_on(database_url, tmp_path / "2") as other,
    ):
        await cut.service.set_secret("k", "old")
        await cut.service.set_secret("d", "v")
        cable.cut()
        await within(60, lambda: lost(cut))
        await other.set_secret("k", "new")
        await other.delete_secret("d")
        await mended(cut, cable)
        assert (await cut.service.get_secret("k")).value == "new"
        with pytest.raises(HoldfastError):
            await cut.service.get_secret("d")


async def test_i3_a_node_never_answers_older_than_it_has(
    database_url: str, tmp_path: Path, scripted: ScriptedVault
) -> None:
    """The one that wrote is another node, its announcement is missed, and Key Vault is behind."""
    async with (
        cable_to(database_url) as cable,
        opened(cable.dsn, tmp_path / "1", scripted) as cut,
        service_on(database_url, tmp_path / "2", scripted) as other,
    ):
        await other.set_secret("k", "old")
        await cut.service.get_secret("k")
        await cut.look()
        cable.cut()
        await within(60, lambda: lost(cut))
        scripted.model.read_only = True
        assert not (await other.set_secret("k", "new")).replicated
        await mended(cut, cable)
        assert (await cut.service.get_secret("k")).value == "new"
        await cut.parts.local.clear()
        cable.cut()
        await within(60, lambda: lost(cut))
        with pytest.raises(BackendUnavailable):
            await cut.service.get_secret("k")


async def test_what_nobody_could_confirm_within_the_ttl_says_so(
    database_url: str, tmp_path: Path, scripted: ScriptedVault
) -> None:
    async with opened(database_url, tmp_path, scripted, cache_ttl=SECOND) as node:
        await node.service.set_secret("settled", "v")
        scripted.model.set("there", "x", Attributes())
        scripted.model.read_only = True
        assert not (await node.service.set_secret("waiting", "v")).replicated
        fresh = await node.service.get_secret("waiting")
        assert not fresh.stale
        await node.look()
        async with away(database_url):

            async def stale(name: str) -> bool:
                secret = await node.service.get_secret(name)
                assert secret.stale or secret.as_of >= fresh.created_at
                return secret.stale

            for name in ("waiting", "settled"):
                await within(10, lambda name=name: stale(name))  # type: ignore[misc]
            there = await node.service.get_secret("there")
            assert (there.source, there.stale, there.version) == (Source.KEYVAULT, True, 0)
