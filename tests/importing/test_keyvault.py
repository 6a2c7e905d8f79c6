"""Another Key Vault, through Azure's SDK over TLS: a second Holdfast stands in for it."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from holdfast.crypto.certificates import ensure_server_certificate
from holdfast.domain.attributes import dated
from holdfast.domain.intent import MARKER_TAG, Marker
from holdfast.domain.secret import Attributes
from holdfast.embedded.postgres import EmbeddedPostgres
from tests.cli.environment import environment
from tests.cli.runner import Outcome, holdfast
from tests.importing.test_commands import states
from tests.support.folders import short_folder
from tests.support.installation import Installation, installed
from tests.support.node import settings_for
from tests.support.postgres import fresh_database
from tests.support.scripted_vault import CLIENT_ID, CLIENT_SECRET, TENANT, ScriptedVault

EXPIRY = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
async def vault(postgres_server: EmbeddedPostgres) -> AsyncIterator[tuple[Installation, dict[str, str]]]:
    """The other vault, and the environment that leads to it."""
    async with fresh_database(postgres_server.dsn) as dsn:
        with short_folder() as folder:
            certificate = ensure_server_certificate(folder / "tls", [], now=datetime.now(UTC))
            async with installed(settings_for(dsn, folder / "data"), certificate) as other:
                yield (
                    other,
                    {
                        "HOLDFAST_SOURCE_TENANT_ID": other.tenant,
                        "HOLDFAST_SOURCE_CLIENT_ID": "mover",
                        "HOLDFAST_SOURCE_CLIENT_SECRET": await other.register("mover", ("get", "list")),
                        "HOLDFAST_SOURCE_AUTHORITY_HOST": other.url,
                        "HOLDFAST_SOURCE_CA": str(other.ca_file),
                    },
                )


async def run(*args: str, environ: dict[str, str]) -> Outcome:
    return await asyncio.to_thread(holdfast, *args, environ=environ)


async def test_the_newest_versions_with_what_is_known_of_them(
    vault: tuple[Installation, dict[str, str]], database_url: str, tmp_path: Path
) -> None:
    other, source = vault
    environ = environment(database_url, tmp_path)
    await other.service.set_secret("DB-Password", "p", content_type="text/x", expires_at=EXPIRY, tags={"team": "pay"})
    await other.service.set_secret("gone", "x")
    await other.service.delete_secret("gone")
    await other.service.set_secret("off", "x")
    await other.service.update_secret("off", enabled=False)
    given = {**environ, **source}
    stopped = await run("import", "keyvault", other.url, "--json", environ=given)
    assert (stopped.code, states(stopped)["off"][0]) == (5, "conflict")
    done = await run("import", "keyvault", other.url, "--only", "[dD]*", "--json", environ=given)
    assert (done.code, list(states(done).values())) == (0, [("written", 1)])
    (found,) = json.loads((await run("list", "--json", environ=environ)).stdout)
    assert (found["content_type"], found["expires_at"]) == ("text/x", "2030-01-01T00:00:00Z")
    assert (found["tags"], found["description"]) == ({"team": "pay"}, f"Migrated from {other.url}: DB-Password")
    await other.service.update_secret("db-password", expires_at=EXPIRY + timedelta(days=1))
    other_facts = await run("import", "keyvault", other.url, "--only", "[dD]*", "--json", environ=given)
    assert (other_facts.code, json.loads(other_facts.stdout)["items"][0]["note"]) == (5, "same value, other expires at")


async def test_all_versions_in_their_order(
    vault: tuple[Installation, dict[str, str]], database_url: str, tmp_path: Path
) -> None:
    other, source = vault
    environ = environment(database_url, tmp_path)
    for value in ("one", "off", "one", "last"):
        written = await other.service.set_secret("db", value)
        await asyncio.sleep(1)  # Key Vault tells the age of versions in seconds
        if value == "off":
            await other.service.update_secret("db", version=written.version, enabled=False)
    command = ("import", "keyvault", other.url, "--all-versions", "--json")
    assert (
        await asyncio.to_thread(holdfast, "set", "db", stdin=b"one", environ=environ)
    ).code == 0  # as a kill leaves it
    done = await run(*command, environ={**environ, **source})
    (item,) = json.loads(done.stdout)["items"]
    assert (item["state"], item["version"]) == ("written", 3)
    values = [(await run("get", "db", "--version", str(each), environ=environ)).stdout for each in (1, 2, 3)]
    assert values == ["one", "one", "last"]
    again = await run(*command, environ={**environ, **source})
    assert states(again) == {"db": ("unchanged", 3)}


async def test_a_vault_that_refuses_us_is_not_asked_twice(
    vault: tuple[Installation, dict[str, str]], database_url: str, tmp_path: Path
) -> None:
    other, source = vault
    given = {**environment(database_url, tmp_path), **source, "HOLDFAST_SOURCE_CLIENT_SECRET": "wrong"}
    refused = await run("import", "keyvault", other.url, environ=given)
    assert (refused.code, "the client secret is wrong (AADSTS7000215)" in refused.stderr) == (7, True)


async def test_a_date_that_cannot_be_set_here_stays_there(database_url: str, tmp_path: Path) -> None:
    environ = environment(database_url, tmp_path)
    async with ScriptedVault() as vault:
        vault.model.set("far", "p", dated(Attributes(content_type="c"), nbf=1, exp=253_402_303_861))
        source = {
            "HOLDFAST_SOURCE_TENANT_ID": TENANT,
            "HOLDFAST_SOURCE_CLIENT_ID": CLIENT_ID,
            "HOLDFAST_SOURCE_CLIENT_SECRET": CLIENT_SECRET,
            "HOLDFAST_SOURCE_AUTHORITY_HOST": vault.url,
            "HOLDFAST_SOURCE_CA": str(vault.ca_file),
        }
        done = await run("import", "keyvault", vault.url, "--json", environ={**environ, **source})
    assert (done.code, states(done)) == (0, {"far": ("written", 1)})
    assert "outside the years 1 to 9999" in done.stdout
    (found,) = json.loads((await run("list", "--json", environ=environ)).stdout)
    assert (found["not_before"], found["expires_at"], found["content_type"]) == ("1970-01-01T00:00:01Z", None, "c")


async def test_what_fails_for_one_secret_is_told_by_its_name(database_url: str, tmp_path: Path) -> None:
    async with ScriptedVault() as vault:
        for name in ("a", "b", "c"):
            vault.model.set(name, "v", Attributes())
        source = {
            "HOLDFAST_SOURCE_TENANT_ID": TENANT,
            "HOLDFAST_SOURCE_CLIENT_ID": CLIENT_ID,
            "HOLDFAST_SOURCE_CLIENT_SECRET": CLIENT_SECRET,
            "HOLDFAST_SOURCE_AUTHORITY_HOST": vault.url,
            "HOLDFAST_SOURCE_CA": str(vault.ca_file),
        }
        vault.fail("get", status=403, code="Forbidden", inner="ForbiddenByRbac")
        done = await run(
            "import", "keyvault", vault.url, "--json", environ={**environment(database_url, tmp_path), **source}
        )
    items = {each["name"]: each for each in json.loads(done.stdout)["items"]}
    assert [items[name]["state"] for name in ("a", "b", "c")] == ["conflict", "new", "new"]
    assert "it cannot be read there: Key Vault answered 403 ForbiddenByRbac" in items["a"]["note"]
    assert done.code == 5


async def test_a_vault_behind_another_holdfast_and_our_own(database_url: str, tmp_path: Path) -> None:
    environ = environment(database_url, tmp_path)
    async with ScriptedVault() as vault:
        marked = {MARKER_TAG: str(Marker(1, uuid4())), "team": "pay"}
        vault.model.set("db", "p", Attributes(tags=marked))
        vault.fail("get", times=2, status=429, code="Throttled")
        source = {
            "HOLDFAST_SOURCE_TENANT_ID": TENANT,
            "HOLDFAST_SOURCE_CLIENT_ID": CLIENT_ID,
            "HOLDFAST_SOURCE_CLIENT_SECRET": CLIENT_SECRET,
            "HOLDFAST_SOURCE_AUTHORITY_HOST": vault.url,
            "HOLDFAST_SOURCE_CA": str(vault.ca_file),
        }
        done = await run("import", "keyvault", vault.url, "--json", environ={**environ, **source})
        assert (done.code, states(done)) == (0, {"db": ("written", 1)})
        (found,) = json.loads((await run("list", "--json", environ=environ)).stdout)
        assert found["tags"] == {"team": "pay"}
        ours = await run("import", "keyvault", vault.url, environ={**environ, **source, **vault.environ()})
        assert (ours.code, "holdfast sync" in ours.stderr) == (2, True)


async def test_what_our_vault_does_not_take_now_it_gets_later(database_url: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\nB=2\n")
    async with ScriptedVault() as vault:
        environ = {**environment(database_url, tmp_path), **vault.environ()}
        vault.fail("set", times=20, status=503)
        done = await run("import", "file", str(tmp_path / ".env"), environ=environ)
        assert (done.code, "Key Vault gets them later" in done.stderr) == (0, True)
        assert (await run("get", "a", environ=environ)).stdout == "1"
