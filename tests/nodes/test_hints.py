"""Announcements by a role that may connect and nothing else: they take no effect on who gets what."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from holdfast.config import Settings
from holdfast.domain.secret import Source
from holdfast.errors import AccessDenied, Unauthenticated
from holdfast.service.manager import SecretsService
from tests.support.node import ALICE, service_on, within
from tests.support.postgres import execute, fetch

ROLE = """
DO $$ BEGIN CREATE ROLE passer_by; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$
"""
ANNOUNCE = "SELECT count(pg_notify('holdfast', $1 || n || $2)) FROM generate_series($3::bigint, $4::bigint) n"


@asynccontextmanager
async def passer_by(dsn: str) -> AsyncIterator[Any]:
    """A connection of a role that has no right on any table."""
    await execute(dsn, ROLE)
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SET SESSION AUTHORIZATION passer_by")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT epoch FROM access_epoch")
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def attacked(
    dsn: str, folder: Path, lease: timedelta = Settings.grant_lease
) -> AsyncIterator[tuple[SecretsService, SecretsService, Any]]:
    """Two nodes, of which the second has that lease, and somebody who may connect and nothing else."""
    async with (
        service_on(dsn, folder / "1") as here,
        service_on(dsn, folder / "2", grant_lease=lease) as there,
        passer_by(dsn) as forger,
    ):
        yield here, there, forger


async def alice_reads(here: SecretsService, there: SecretsService, value: str) -> None:
    """Let Alice read a secret, and the other node know that she may."""
    await here.set_secret("k", value)
    await here.grant_access("k", "alice", ["get"])
    await within(5, lambda: there.check_access("k", "alice", "get"))


@asynccontextmanager
async def again_and_again(announce: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    async def work() -> None:
        while True:
            await announce()
            await asyncio.sleep(0.01)

    working = asyncio.create_task(work())
    try:
        await asyncio.sleep(0.2)
        yield
        assert not working.done()
    finally:
        working.cancel()


def denied(service: SecretsService) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        try:
            await service.get_secret("k", context=ALICE)
        except AccessDenied:
            return True
        return False

    return look


async def test_i6_announced_epochs_are_not_believed(database_url: str, tmp_path: Path) -> None:
    async with attacked(database_url, tmp_path) as (here, there, forger):
        await alice_reads(here, there, "v")
        epoch = await fetch(database_url, "SELECT epoch FROM access_epoch")
        assert isinstance(epoch, int)
        async with again_and_again(lambda: forger.fetch(ANNOUNCE, "rules:", ":x", epoch + 1, epoch + 3)):
            await here.revoke_access("k", "alice")
            assert await denied(here)()
            await within(1, denied(there))
        await asyncio.sleep(1)
        assert await denied(here)()
        assert await denied(there)()


async def test_i6_announced_epochs_of_identities_are_not_believed(database_url: str, tmp_path: Path) -> None:
    async with attacked(database_url, tmp_path) as (here, there, forger):
        await here.identities.add("app")
        new = await here.tokens.create("app")

        async def proves() -> bool:
            try:
                there.prove_token(new.token)
            except Unauthenticated:
                return False
            return True

        async def refused() -> bool:
            return not await proves()

        await within(5, proves)
        epoch = await fetch(database_url, "SELECT epoch FROM identity_epoch")
        assert isinstance(epoch, int)
        async with again_and_again(lambda: forger.fetch(ANNOUNCE, "identities:", ":x", epoch + 1, epoch + 1)):
            await here.tokens.revoke(new.record.id)
            await within(1, refused)
        await asyncio.sleep(1)
        assert await refused()


FLOODS = {
    "all rules": ("rules:", ":"),
    "somebody's rules": ("rules:9", ":somebody"),
    "identities": ("identities:9", ":somebody"),
    "a secret, ever newer": ("secret:k:", ""),
    "secrets without end": ("secret:k", ":7"),
    "nonsense": ("rules", "x"),
    "bulk": ("secret:", "x" * 7000),
}


@pytest.mark.parametrize(("before", "after"), FLOODS.values(), ids=FLOODS)
async def test_i6_no_flood_costs_the_lease_or_delays_a_revocation(
    database_url: str, tmp_path: Path, before: str, after: str
) -> None:
    number = 60_000 if len(after) < 1000 else 5_000
    async with attacked(database_url, tmp_path, lease=timedelta(seconds=5)) as (here, there, forger):
        await alice_reads(here, there, "v")

        async def flood() -> None:
            for begin in range(99_000_000, 99_000_000 + number, 5_000):
                await forger.fetch(ANNOUNCE, before, after, begin, begin + 4_999, timeout=60)

        async def beyond_the_lease() -> None:
            for _ in range(60):
                assert (await there.get_secret("k", context=ALICE)).value == "v"
                await asyncio.sleep(0.1)

        await asyncio.gather(flood(), beyond_the_lease())
        await asyncio.gather(flood(), here.revoke_access("k", "alice"))
        assert await denied(here)()
        await within(5, denied(there))


async def test_i3_announced_revisions_are_not_believed(database_url: str, tmp_path: Path) -> None:
    async with attacked(database_url, tmp_path) as (here, there, forger):
        await alice_reads(here, there, "old")
        for revision in (2**63 - 1, 2**40, 1, 0, -1):
            await forger.fetch(ANNOUNCE, "secret:k:", "", revision, revision)
        await forger.fetch("SELECT pg_notify('holdfast', 'secret:k:9999999999999999999999999999')")

        async def cached() -> bool:
            return (await there.get_secret("k", context=ALICE)).source is Source.CACHE

        await within(5, cached)
        await here.set_secret("k", "new")

        async def new() -> bool:
            return (await there.get_secret("k", context=ALICE)).value == "new"

        await within(1, new)
        await within(5, cached)
        assert await new()


CUT_CHANNEL = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%unnest($1::text[]) AS h (name)%'
"""


async def test_i6_a_node_whose_channel_is_cut_again_and_again_keeps_its_lease(
    database_url: str, tmp_path: Path
) -> None:
    async with service_on(database_url, tmp_path, grant_lease=timedelta(seconds=3)) as service:
        await service.set_secret("k", "v")
        await service.grant_access("k", "alice", ["get"])
        cuts = 0
        for _ in range(60):
            cut = await fetch(database_url, CUT_CHANNEL)
            assert isinstance(cut, int)
            cuts += cut
            assert (await service.get_secret("k", context=ALICE)).value == "v"
            await asyncio.sleep(0.1)
        assert cuts > 2
