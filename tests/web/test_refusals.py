"""Refusals as scripts around Key Vault know them: status, codes, and the words they begin with."""

import re
from typing import Any

import pytest

from holdfast import errors
from holdfast.domain.policy import Permission
from tests.support.https import Client, Response
from tests.support.installation import Installation
from tests.support.vectors import vectors
from tests.web.conftest import Stubbed

V = "?api-version=7.4"
VECTORS = vectors("keyvault/refusals.json")


def row_id(row: dict[str, Any]) -> str:
    return f"{row.get('as') or row.get('error') or row['vault_code']} {row['method']} {row['path']}"


async def ask(client: Client, row: dict[str, Any]) -> Response:
    return await client.request(row["method"], row["path"] + V, row.get("body"))


def check(answer: Response, row: dict[str, Any]) -> None:
    assert (answer.status, answer.codes) == (row["status"], (row["code"], row["inner"]))
    assert answer.json["error"]["message"].startswith(row["words"])


@pytest.fixture(scope="module")
async def askers(installation: Installation, vault: Client) -> dict[str, Client]:
    """Who asks, and the secrets of the table in their states."""
    for name in ("W-Live", "W-Deleted", "W-Disabled"):
        enabled = {"attributes": {"enabled": name != "W-Disabled"}}
        assert (await vault.request("PUT", f"/secrets/{name}{V}", {"value": "x", **enabled})).status == 200
    assert (await vault.request("DELETE", f"/secrets/W-Deleted{V}")).status == 200
    stranger = await installation.client("refused", await installation.register("refused", ()))
    return {"app": vault, "stranger": stranger, "nobody": Client(vault.port, vault.ca_file)}


@pytest.mark.parametrize("row", VECTORS["refused"], ids=row_id)
async def test_refusals_begin_as_key_vaults_do(askers: dict[str, Client], row: dict[str, Any]) -> None:
    check(await ask(askers[row["as"]], row), row)


@pytest.mark.parametrize("row", VECTORS["raised"], ids=row_id)
async def test_refusals_that_a_vault_gives_rarely(stubbed: Stubbed, row: dict[str, Any]) -> None:
    stubbed.service.error = getattr(errors, row["error"])("marked-detail of 'w-any'")
    answer = await ask(stubbed.client, row)
    check(answer, row)
    shown = "w-any" if "restore" in row["path"] else "W-Any"
    assert answer.json["error"]["message"].endswith(f"marked-detail of '{shown}'")


@pytest.mark.parametrize("row", VECTORS["of_the_vault"], ids=row_id)
async def test_refusals_of_the_key_vault_behind_are_its_own(stubbed: Stubbed, row: dict[str, Any]) -> None:
    stubbed.service.error = errors.VaultRefusal("marked-detail", status=row["status"], vault_code=row["vault_code"])
    check(await ask(stubbed.client, row), row)


async def test_names_are_told_as_the_caller_wrote_them(askers: dict[str, Client]) -> None:
    for method, path in (("GET", "/secrets/w-ABSENT"), ("DELETE", "/deletedsecrets/w-ABSENT")):
        message = (await askers["app"].request(method, path + V)).json["error"]["message"]
        assert "w-ABSENT" in message
        assert "w-absent" not in message
    message = (await askers["stranger"].request("GET", f"/secrets/W-LIVE{V}")).json["error"]["message"]
    assert "'W-LIVE'" in message
    assert "w-live" not in message


async def test_every_row_of_the_table_says_where_its_words_are_from() -> None:
    for row in [row for rows in VECTORS.values() if isinstance(rows, list) for row in rows]:
        assert re.search(r"[\w-]+/[\w-]+(#\d+|, record)|unverified|ours", row["source"]), row


async def test_a_listing_that_nothing_allows_is_refused_and_on_record(
    installation: Installation, askers: dict[str, Client]
) -> None:
    for path, operation in (("/secrets", "list"), ("/deletedsecrets", "list_deleted")):
        assert (await askers["stranger"].request("GET", path + V)).status == 403
        page = await installation.service.audit.search(name="*", user_id="refused", operation=operation, limit=1)
        assert [(record.success, record.error_code) for record in page.records] == [(False, "access_denied")]


async def test_whoever_may_list_some_names_gets_those(installation: Installation, askers: dict[str, Client]) -> None:
    some = await installation.client("some", await installation.register("some", (Permission.LIST,), "w-l*"))
    answer = await some.request("GET", f"/secrets{V}")
    assert (answer.status, [item["id"].rpartition("/")[2] for item in answer.json["value"]]) == (200, ["W-Live"])
    assert (await some.request("GET", f"/deletedsecrets{V}")).json == {"value": [], "nextLink": None}


async def test_whoever_may_read_but_list_nothing_is_refused_the_listing(
    installation: Installation, askers: dict[str, Client]
) -> None:
    reader = await installation.client("reader", await installation.register("reader", (Permission.GET,)))
    assert (await reader.request("GET", f"/secrets/W-Live{V}")).status == 200
    assert (await reader.request("GET", f"/secrets{V}")).codes == ("Forbidden", "ForbiddenByRbac")
    assert (await reader.request("GET", "/v1/secrets")).status == 200
