"""A standby that was behind is promoted, or a backup restored: what is lost is told, nothing goes back in silence."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from holdfast.errors import BackendUnavailable, HoldfastError, IntegrityFailure
from holdfast.service.manager import SecretsService
from tests.support.node import Inside, audit, opened, service_on, within
from tests.support.postgres import TEMPLATE, execute, for_database


class Standby:
    """A copy of a database as it was, which can take its place."""

    def __init__(self, dsn: str) -> None:
        self.name, self._server = urlsplit(dsn).path[1:], for_database(dsn, TEMPLATE)
        self._end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.name}'"

    async def promote(self) -> None:
        """Put it in the place of the database, which is gone for good."""
        await self._once_free(f"ALTER DATABASE {self.name} RENAME TO {self.name}_lost")
        await execute(self._server, f"ALTER DATABASE {self.name}_standby RENAME TO {self.name}")

    async def copy(self) -> None:
        await self._once_free(f"CREATE DATABASE {self.name}_standby TEMPLATE {self.name} STRATEGY FILE_COPY")

    async def drop(self) -> None:
        for rest in ("lost", "standby"):
            await execute(self._server, f"DROP DATABASE IF EXISTS {self.name}_{rest} WITH (FORCE)")

    async def _once_free(self, statement: str) -> None:
        for _ in range(100):  # whoever is quick connects again in between
            try:
                return await execute(self._server, self._end, statement)
            except asyncpg.ObjectInUseError:
                await asyncio.sleep(0.01)
        raise AssertionError("the database is never free")


@asynccontextmanager
async def standby_of(dsn: str) -> AsyncIterator[Standby]:
    """A standby that receives nothing any more."""
    standby = Standby(dsn)
    await standby.copy()
    try:
        yield standby
    finally:
        await standby.drop()


async def seen(service: SecretsService, name: str) -> str:
    """The value, or the kind of the refusal."""
    try:
        return (await service.get_secret(name)).value
    except HoldfastError as error:
        return error.code


async def on_record(dsn: str, name: str) -> bool:
    return any(row[1:4] == ("loss", False, "integrity_failure") for row in await audit(dsn, name))


async def test_i3_what_a_failover_lost_is_on_record_before_the_older_state_is_answered(
    database_url: str, tmp_path: Path
) -> None:
    async with service_on(database_url, tmp_path / "before") as service:
        for name in ("changed", "kept"):
            await service.set_secret(name, "old")
    async with standby_of(database_url) as standby, opened(database_url, tmp_path) as node:
        service = node.service
        await service.set_secret("changed", "new")
        await service.set_secret("made", "new")
        assert [(await service.get_secret(name)).value for name in ("changed", "made", "kept")] == ["new", "new", "old"]
        await standby.promote()

        async def taken() -> bool:
            answer = await seen(service, "changed")
            assert answer in ("new", "old", BackendUnavailable.code)
            assert answer != "old" or await on_record(database_url, "changed")
            return answer == "old"

        await within(60, taken)
        await within(60, lambda: on_record(database_url, "made"))
        assert [await seen(service, name) for name in ("made", "kept")] == ["secret_not_found", "old"]
        assert not await on_record(database_url, "kept")
        health = await service.get_secret_health()
        assert not health.healthy
        assert any("2 secret(s) went back" in advice for advice in health.recommendations)
        for name in ("changed", "made"):
            await service.set_secret(name, "anew")
            assert await seen(service, name) == "anew"
        assert (await service.get_secret_health()).healthy


async def test_a_failover_that_lost_nothing_is_no_alarm_and_costs_nothing(database_url: str, tmp_path: Path) -> None:
    async with service_on(database_url, tmp_path / "before") as service:
        await service.set_secret("k", "v")
        await service.set_secret("d", "v")
        await service.delete_secret("d")
        await service.purge_secret("d")
    async with standby_of(database_url) as standby, opened(database_url, tmp_path) as node:
        assert await seen(node.service, "k") == "v"
        await standby.promote()
        await within(60, lambda: compared(node))
        assert await seen(node.service, "k") == "v"
        assert not await on_record(database_url, "k")
        assert (await node.service.get_secret_health()).healthy


async def compared(node: Inside) -> bool:
    """Whether the node is on the new timeline."""
    return node.parts.feed.live() and node.parts.losses._again_at < float("inf")


async def test_i8_rows_that_are_set_back_by_hand_are_not_believed(database_url: str, tmp_path: Path) -> None:
    """The database is on the same timeline: nobody has lost anything, somebody has changed it."""
    async with opened(database_url, tmp_path) as node:
        await node.service.set_secret("k", "old")
        await execute(database_url, "CREATE TABLE kept AS SELECT * FROM secrets_vault")
        await node.service.set_secret("k", "new")
        assert await seen(node.service, "k") == "new"
        await execute(
            database_url,
            "TRUNCATE secret_versions, secrets_vault CASCADE",
            "INSERT INTO secrets_vault OVERRIDING SYSTEM VALUE SELECT * FROM kept",
        )
        assert await seen(node.service, "k") == "new"
        node.parts.tiers.distrust()
        assert await seen(node.service, "k") == "new"
        await node.parts.local.clear()
        with pytest.raises(IntegrityFailure, match="older state"):
            await node.service.get_secret("k")
