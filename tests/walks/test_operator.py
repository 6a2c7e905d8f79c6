"""The page for operators, from an empty machine to a restored backup, with PgBouncer in front of PostgreSQL."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from holdfast.crypto.certificates import ensure_server_certificate
from holdfast.embedded.binaries import wheel_binaries
from holdfast.embedded.postgres import EmbeddedPostgres
from tests.support.debian import free_port
from tests.support.folders import short_folder
from tests.support.pgbouncer import running_pgbouncer
from tests.support.postgres import execute, for_database
from tests.support.walk import walk


@pytest.mark.usefixtures("durable_server")
@pytest.mark.services("pgbouncer")
@pytest.mark.timeout(600)
async def test_the_page_for_operators_is_walked(postgres_server: EmbeddedPostgres, release: Path) -> None:
    admin = postgres_server.dsn
    certificate = ensure_server_certificate(release / "ca", [], now=datetime.now(UTC))
    direct = f"@/secrets?{urlsplit(admin).query}"
    try:
        with short_folder() as folder, running_pgbouncer(folder, _as(admin), "transaction", certificate) as pooled:
            places = {
                "db.example:6432": urlsplit(pooled).netloc.rpartition("@")[2],
                "/etc/holdfast/db-ca.pem": str(certificate.ca_file),
                '@db.example:5432/secrets"': f'{direct}"',
                '@db.example:5432/restored"': f'{direct.replace("/secrets", "/restored")}"',
                "$ADMIN_URL": admin,
                "8200": str(free_port()),
            }
            folders = {each: f"{release}{each}" for each in ("/opt/", "/etc/", "/var/", "/run/")}
            await asyncio.to_thread(
                walk, "operator", release, places | folders, wheel_binaries().program("psql").parent
            )
    finally:
        for database in ("secrets", "restored"):
            await execute(admin, f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        await execute(admin, "DROP ROLE IF EXISTS secrets")


def _as(admin: str) -> str:
    """The DSN of the role and the database that the page makes."""
    return urlsplit(for_database(admin, "secrets"))._replace(netloc="secrets:example@").geturl()
