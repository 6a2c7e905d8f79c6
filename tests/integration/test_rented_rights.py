"""All that is done on a database as it is rented: by a role without superuser rights, that owns nothing but its own."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cli.environment import environment
from tests.cli.runner import Outcome, holdfast
from tests.support.https import Client
from tests.support.postgres import execute, fetch
from tests.support.serving import serving

ROLE = "tenant"
_RIGHTS = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"

GIVEN = {
    "owner": "ALTER DATABASE {name} OWNER TO tenant",
    "guest": "GRANT USAGE, CREATE ON SCHEMA public TO tenant",
    "own schema": "CREATE SCHEMA AUTHORIZATION tenant",
}
"""What the role was given: the database, a place in somebody else's ``public``, or a schema of its name."""


def as_role(dsn: str) -> str:
    return dsn.replace(urlsplit(dsn).netloc.partition("@")[0], f"{ROLE}:pw")


@pytest.fixture
async def rented(empty: str, other_empty: str) -> AsyncIterator[tuple[str, str]]:
    """Two databases that a role may connect to and do no more in, which gets rights in both by a test."""
    await execute(empty, f"CREATE ROLE {ROLE} LOGIN {_RIGHTS} PASSWORD 'pw'")
    try:
        yield empty, other_empty
    finally:
        for dsn in (empty, other_empty):
            await execute(dsn, f"REASSIGN OWNED BY {ROLE} TO CURRENT_USER", f"DROP OWNED BY {ROLE}")
        await execute(empty, f"DROP ROLE {ROLE}")


async def command(environ: dict[str, str], *arguments: str, stdin: bytes = b"") -> Outcome:
    return await asyncio.to_thread(holdfast, *arguments, stdin=stdin, environ=environ)


async def done(environ: dict[str, str], *arguments: str, stdin: bytes = b"") -> str:
    outcome = await command(environ, *arguments, stdin=stdin)
    assert outcome.code == 0, outcome.stderr
    return outcome.stdout


@pytest.mark.usefixtures("durable_server")
@pytest.mark.parametrize("given", GIVEN)
async def test_everything_works_without_superuser_rights(given: str, rented: tuple[str, str], tmp_path: Path) -> None:
    for dsn in rented:
        await execute(dsn, GIVEN[given].format(name=urlsplit(dsn).path[1:]))
    here, there = (environment(as_role(dsn), tmp_path) for dsn in rented)
    assert not await fetch(as_role(rented[0]), "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    await done(here, "init")
    await done(here, "set", "jwt", "--rotate-every", "90", "--rotate-with", "random", stdin=b"first")
    await done(here, "rotate", "jwt")
    assert await done(here, "get", "jwt") != "first"
    await done(here, "set", "gone", stdin=b"v")
    await done(here, "delete", "gone")
    await done(here, "purge", "gone", "--yes")
    secret = json.loads(await done(here, "client", "add", "app", "--json"))["client_secret"]
    await done(here, "grant", "jwt", "app", "get")

    examined = await command(here, "doctor", "--json")
    failing = [each for each in json.loads(examined.stdout)["findings"] if each["level"] == "fail"]
    assert failing == []

    async with serving(as_role(rented[0]), tmp_path / "data") as server:
        client = await server.client("app", secret)
        assert (await client.request("GET", "/secrets/jwt?api-version=7.4")).status == 200
        anonymous = Client(server.port, server.ca_file)
        assert (await anonymous.request("GET", "/readyz")).json == {"status": "ready", "degraded": []}

    await done(here, "backup", str(tmp_path / "all"))
    await done(there, "restore", str(tmp_path / "all"), "--yes")
    assert await done(there, "get", "jwt") == await done(here, "get", "jwt")
    await done(there, "status")


async def test_a_right_to_make_tables_that_is_missing_is_named(rented: tuple[str, str], tmp_path: Path) -> None:
    outcome = await command(environment(as_role(rented[0]), tmp_path), "init")
    assert (outcome.code, "permission denied for schema public" in outcome.stderr) == (9, True)
    assert "GRANT USAGE, CREATE ON SCHEMA" in outcome.stderr


async def test_a_right_that_is_missing_in_a_schema_of_others_is_named(rented: tuple[str, str], tmp_path: Path) -> None:
    """The tables belong to another role: each right that is missing is named, and so is its table."""
    theirs, ours = (environment(dsn, tmp_path) for dsn in (rented[0], as_role(rented[0])))
    await done(theirs, "init")
    refused = await command(ours, "list")
    assert refused.code == 9
    assert "permission denied for table encryption_keys" in refused.stderr
    examined = await command(ours, "doctor")
    assert examined.code == 1
    assert "permission denied for table holdfast_migrations" in examined.stdout
