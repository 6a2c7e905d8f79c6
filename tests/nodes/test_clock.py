"""A database administrator bends PostgreSQL's clock."""

import asyncio
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from holdfast import create_secrets_service
from holdfast.errors import AccessDenied
from tests.support.node import ALICE, settings_for, within
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
        await service.grant_access("k", "alice", ["get"], expires_at=service.now() + timedelta(seconds=2))
        assert (await service.get_secret("k", context=ALICE)).value == "v"
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
