"""The page on several vaults: two installations on one PostgreSQL server."""

import asyncio
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from holdfast.embedded.binaries import wheel_binaries
from holdfast.embedded.postgres import EmbeddedPostgres
from tests.support.debian import free_port
from tests.support.postgres import execute
from tests.support.walk import walk

VAULTS = ("payments", "orders")


@pytest.mark.timeout(600)
async def test_two_vaults_are_served_side_by_side(postgres_server: EmbeddedPostgres, home: Path) -> None:
    admin = postgres_server.dsn
    query = urlsplit(admin).query
    places = {
        **{f'@db.example/{each}"': f'@/{each}?{query}"' for each in VAULTS},
        "$ADMIN_URL": admin,
        "8201": str(free_port()),
        "8202": str(free_port()),
        "/var/": f"{home}/var/",
    }
    try:
        await asyncio.to_thread(
            walk, "several-vaults", home, places, Path(sys.executable).parent, wheel_binaries().program("psql").parent
        )
    finally:
        for each in VAULTS:
            await execute(admin, f"DROP DATABASE IF EXISTS {each} WITH (FORCE)", f"DROP ROLE IF EXISTS {each}")
