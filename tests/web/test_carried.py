"""What Key Vault holds of a version, at both APIs, at a client and on the command line."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from holdfast.crypto.certificates import ServerCertificate
from holdfast.domain.attributes import Attributes
from tests.cli.environment import environment
from tests.cli.runner import holdfast
from tests.service.test_carried import FACTS, FAR, FURTHER, NEAR, ours
from tests.support.https import Client
from tests.support.installation import Installation, installed
from tests.support.node import settings_for
from tests.support.scripted_vault import ScriptedVault

V = "?api-version=7.4"
NAMES = {"far": FAR, "further": FURTHER, "near": NEAR, "plain": Attributes()}
MARKS = ("recoveryLevel", "recoverableDays", "nbf", "exp", "enabled")


@pytest.fixture
async def vault() -> AsyncIterator[ScriptedVault]:
    async with ScriptedVault() as vault:
        for name, attributes in NAMES.items():
            vault.model.set(name, f"value of {name}", attributes)
            vault.model.set(f"our-{name}", f"value of {name}", ours(attributes))
        yield vault


@pytest.fixture
async def behind(
    vault: ScriptedVault, database_url: str, tmp_path: Path, certificate: ServerCertificate
) -> AsyncIterator[Installation]:
    settings = settings_for(database_url, tmp_path / "data", vault)
    async with installed(settings, certificate) as installation:
        await installation.service.sync()
        yield installation


@pytest.fixture
async def client(behind: Installation) -> Client:
    return await behind.client("app", await behind.register("app"))


def told(bundle: dict[str, Any]) -> dict[str, Any]:
    """What a bundle says beside ids, times and the value."""
    facts = {key: value for key, value in bundle["attributes"].items() if key in MARKS}
    return {
        "attributes": facts,
        **{key: bundle[key] for key in ("contentType", "tags", "managed", "kid") if key in bundle},
    }


def expected(attributes: Attributes) -> dict[str, Any]:
    facts: dict[str, Any] = {"enabled": True, "nbf": attributes.nbf, "exp": attributes.exp}
    facts["recoveryLevel"] = attributes.vault.recovery_level or "Recoverable+Purgeable"
    facts["recoverableDays"] = attributes.vault.recoverable_days or 90
    whole = {
        "attributes": {key: value for key, value in facts.items() if value is not None},
        "contentType": attributes.content_type,
        "tags": dict(attributes.tags) if attributes.tags or attributes.empty_tags else None,
        "managed": attributes.vault.managed,
        "kid": attributes.vault.kid,
    }
    return {key: value for key, value in whole.items() if value is not None}


@pytest.mark.parametrize("name", NAMES)
async def test_key_vaults_api_gives_what_key_vault_gives(client: Client, name: str) -> None:
    read = (await client.request("GET", f"/secrets/{name}{V}")).json
    assert told(read) == expected(NAMES[name])
    (version,) = (await client.request("GET", f"/secrets/{name}/versions{V}")).json["value"]
    assert told(version) == expected(NAMES[name])
    listed = {
        each["id"].rsplit("/", 1)[1]: each for each in (await client.request("GET", f"/secrets{V}")).json["value"]
    }
    assert told(listed[name]) == expected(NAMES[name])


@pytest.mark.parametrize("name", NAMES)
async def test_a_deleted_secret_keeps_what_key_vault_gives(client: Client, name: str) -> None:
    attributes = expected(ours(NAMES[name]))
    deleted = (await client.request("DELETE", f"/secrets/our-{name}{V}")).json
    assert told(deleted) == attributes
    assert told((await client.request("GET", f"/deletedsecrets{V}")).json["value"][0]) == attributes
    assert told((await client.request("POST", f"/deletedsecrets/our-{name}/recover{V}")).json) == attributes


async def test_our_own_api_says_which_dates_are_only_the_nearest(client: Client) -> None:
    read = (await client.request("GET", "/v1/secrets/far")).json
    assert (read["not_before"], read["expires_at"]) == ("0001-01-02T00:00:00Z", "9999-12-31T23:59:59Z")
    assert (read["not_before_seconds"], read["expires_at_seconds"]) == (FAR.nbf, FAR.exp)
    assert read["vault"] == {
        "managed": True,
        "kid": FACTS.kid,
        "recovery_level": FACTS.recovery_level,
        "recoverable_days": FACTS.recoverable_days,
    }
    near = (await client.request("GET", "/v1/secrets/near")).json
    assert (near["expires_at"], near["expires_at_seconds"]) == ("1970-01-01T00:00:00Z", None)


async def test_the_command_line_tells_it_from_afar_as_on_the_machine(
    behind: Installation, database_url: str, tmp_path: Path, vault: ScriptedVault
) -> None:
    secret = await behind.register("remote", ())
    await behind.service.access.assign_role("remote", "admin", "*")
    token = (await behind.client("remote", secret)).token
    remote = {
        "HOLDFAST_ADDR": behind.url,
        "HOLDFAST_TOKEN": token or "",
        "HOLDFAST_CACERT": str(behind.ca_file),
        "HOME": str(tmp_path),
    }
    local = environment(database_url, tmp_path, **vault.environ())
    for name, attributes in NAMES.items():
        for environ in (remote, local):
            shown = json.loads((await asyncio.to_thread(holdfast, "get", name, "--json", environ=environ)).stdout)
            assert (shown["not_before_seconds"], shown["expires_at_seconds"]) == (
                attributes.not_before_seconds,
                attributes.expires_at_seconds,
            )
            assert shown["tags"] == dict(attributes.tags)
            assert shown["vault"]["kid"] == attributes.vault.kid
        lines = [
            (await asyncio.to_thread(holdfast, "list", environ=environ)).stdout.splitlines()
            for environ in (remote, local)
        ]
        assert lines[0] == lines[1]
    rows = {line.split()[0]: line for line in lines[0][1:]}
    assert "after 9999-12-31T23:59:59Z" in rows["far"]
    assert "1970-01-01T00:00:00Z" in rows["near"]


async def test_empty_tags_come_back_as_they_were_given(client: Client, vault: ScriptedVault) -> None:
    given = await client.request("PUT", f"/secrets/plain{V}", {"value": "v", "tags": {}})
    assert given.json["tags"] == {}
    assert (await client.request("GET", f"/secrets/plain{V}")).json["tags"] == {}
    none = await client.request("PUT", f"/secrets/plain{V}", {"value": "v"})
    assert "tags" not in none.json
    assert "tags" not in (await client.request("GET", f"/secrets/plain{V}")).json
    changed = await client.request("PATCH", f"/secrets/plain{V}", {"tags": {}})
    assert changed.json["tags"] == {}
    kept = await client.request("PATCH", f"/secrets/plain{V}", {"contentType": "x"})
    assert kept.json["tags"] == {}
    assert set(vault.model.history("plain")[-1].attributes.tags) == {"holdfast"}


async def test_a_date_that_cannot_be_set_may_come_back_as_it_was_told(client: Client, vault: ScriptedVault) -> None:
    """As clients do that read attributes, change one, and send them all."""
    for name in ("far", "further", "near"):
        nbf, exp = NAMES[name].nbf, NAMES[name].exp
        body = {"contentType": "changed", "attributes": {"enabled": True, "nbf": nbf, "exp": exp}}
        changed = await client.request("PATCH", f"/secrets/our-{name}{V}", body)
        assert (changed.status, changed.json["contentType"]) == (200, "changed")
        assert told(changed.json)["attributes"] == expected(ours(NAMES[name]))["attributes"]
        after = vault.model.history(f"our-{name}")[0].attributes
        assert (after.nbf, after.exp, after.content_type) == (nbf, exp, "changed")
        body = {"contentType": "again", "attributes": {"nbf": (nbf or 0) - 1}}
        refused = await client.request("PATCH", f"/secrets/our-{name}{V}", body)
        assert (refused.status, refused.json["error"]["code"]) == (400, "BadParameter")
        assert vault.model.history(f"our-{name}")[0].attributes.content_type == "changed"


async def test_a_value_beyond_our_own_limit_is_served_and_mirrored(
    behind: Installation, client: Client, vault: ScriptedVault
) -> None:
    long = "ä" * 500_000
    vault.model.set("long", long, Attributes())
    await behind.service.sync()
    async with vault.refusing():
        assert (await client.request("GET", f"/secrets/long{V}")).json["value"] == long
    refused = await client.request("PUT", f"/secrets/long{V}", {"value": "x" * 25_601})
    assert refused.status == 400


@pytest.mark.parametrize("year", [2038, 2050, 2099])
async def test_a_date_that_a_client_cut_to_32_bits_is_named_as_such(client: Client, year: int) -> None:
    seconds = int(datetime(year, 3, 1, tzinfo=UTC).timestamp())
    cut = (seconds + 2**31) % 2**32 - 2**31  # what JavaScript's `| 0` makes of it
    for body in ({"value": "v", "attributes": {"exp": cut}}, {"value": "v", "attributes": {"nbf": cut}}):
        refused = await client.request("PUT", f"/secrets/plain{V}", body)
        assert refused.status == 400
        message = refused.json["error"]["message"]
        assert f"{year}-03-01" in message
        assert "32 bits" in message
    refused = await client.request("PATCH", f"/secrets/plain{V}", {"attributes": {"exp": -(2**31) - 1}})
    assert (refused.status, "32 bits" in refused.json["error"]["message"]) == (400, False)
