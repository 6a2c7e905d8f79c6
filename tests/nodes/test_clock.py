"""A database administrator bends PostgreSQL's clock."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from holdfast import create_secrets_service
from holdfast.errors import AccessDenied, StartupError
from tests.cli.environment import environment
from tests.cli.runner import holdfast
from tests.support.node import ALICE, audit, service_on, settings_for, within
from tests.support.postgres import execute, fetch

BACK = """
CREATE SCHEMA evil;
CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE sql
    AS $$ SELECT pg_catalog.clock_timestamp() - interval '1 hour' $$;
CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT pg_catalog.now() - interval '1 hour' $$;
"""
CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.mark.parametrize("given", [False, True], ids=["own-pool", "application's-pool"])
async def test_i6_functions_put_before_postgresql_s_own_are_not_called(
    database_url: str, tmp_path: Path, *, given: bool
) -> None:
    pool = await asyncpg.create_pool(database_url, min_size=1, max_size=6) if given else None
    service = create_secrets_service(settings_for(database_url, tmp_path), pool=pool, background=False)
    async with service:
        await service.set_secret("k", "v")

        async def in_time() -> bool:
            """On a busy machine two seconds may be over before she reads."""
            await service.grant_access("k", "alice", ["get"], expires_at=service.now() + timedelta(seconds=2))
            with suppress(AccessDenied):
                return (await service.get_secret("k", context=ALICE)).value == "v"
            return False

        await within(60, in_time)
        name = urlsplit(database_url).path[1:]
        await execute(database_url, BACK, f"ALTER DATABASE {name} SET search_path = evil, pg_catalog, public")
        assert await fetch(
            database_url, "SELECT clock_timestamp() < pg_catalog.clock_timestamp() - interval '1 minute'"
        )
        await execute(database_url, CUT)
        await asyncio.sleep(2)

        async def reached() -> bool:
            return all(each.healthy for each in service.backends() if each.name == "postgresql")

        await within(10, reached)
        with pytest.raises(AccessDenied):
            await service.get_secret("k", context=ALICE)
    if pool is not None:
        await pool.close()


async def test_i6_a_clock_set_back_while_no_node_ran_is_found_at_the_start_and_accepted(
    database_url: str, tmp_path: Path
) -> None:
    environ = environment(database_url, tmp_path)
    async with service_on(database_url, tmp_path) as service:
        await service.set_secret("k", "v")
    await execute(database_url, "UPDATE secret_access_logs SET timestamp = timestamp + interval '2 hours'")
    with pytest.raises(StartupError, match="behind the newest audit record"):
        await service_on(database_url, tmp_path).initialize()
    assert (await asyncio.to_thread(holdfast, "get", "k", environ=environ)).code != 0
    declined = await asyncio.to_thread(holdfast, "clock", "accept", stdin=b"n\n", environ=environ)
    assert declined.code == 2
    accepted = await asyncio.to_thread(holdfast, "clock", "accept", "--yes", environ=environ)
    assert accepted.code == 0
    assert "counts as it is" in accepted.stderr
    async with service_on(database_url, tmp_path) as service:
        assert (await service.get_secret("k")).value == "v"
    assert [row[1:3] for row in await audit(database_url, "*") if row[1] == "clock.accept"] == [("clock.accept", True)]


FORGED = {
    "the greatest number": "number = 9223372036854775807",
    "all of it": "number = 9223372036854775807, moment = now(), believed = now(), accepted_by = 'x', attestation = 'y'",
    "times without end": "number = 7, moment = 'infinity', believed = '-infinity', accepted_by = 'x'",
    "no number": "number = 0",
}


@pytest.mark.parametrize("edit", FORGED.values(), ids=FORGED)
async def test_i6_a_forged_acceptance_is_no_hindrance_to_a_genuine_one(
    database_url: str, tmp_path: Path, edit: str
) -> None:
    async with service_on(database_url, tmp_path, background=True) as service:
        await service.clock.accept()
        await execute(database_url, f"UPDATE clock_acceptance SET {edit}")
        await asyncio.sleep(2)  # two heartbeats
        assert [each.name for each in service.backends() if not each.healthy] == []
        await service.clock.accept()
        number = await fetch(database_url, "SELECT number FROM clock_acceptance")
        assert isinstance(number, int)
        assert 1 < number < 9223372036854775807
        await service.clock.accept()
        assert await fetch(database_url, "SELECT number FROM clock_acceptance") == number + 1


async def test_i6_only_operators_vouch_for_a_clock(database_url: str, tmp_path: Path) -> None:
    async with service_on(database_url, tmp_path) as service:
        with pytest.raises(AccessDenied):
            await service.clock.accept(context=ALICE)
        await service.grant_access("*", "alice", ["operate"])
        accepted = await service.clock.accept(context=ALICE)
        assert abs(accepted.moment - accepted.believed) < timedelta(seconds=30)
