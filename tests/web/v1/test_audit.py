"""The audit trail through our own API: searched, and exported so that the verifier takes it."""

import io
import json
from typing import Any

import pytest

from holdfast.crypto.signing import KeyFile
from holdfast.domain.verification import verify
from tests.support.https import Client
from tests.support.installation import Installation
from tests.support.node import within
from tests.web.v1.test_secrets import everything, made, refused


async def test_records_are_searched_page_by_page(vault: Client) -> None:
    await made(vault, "aud-one")
    for _ in range(3):
        await vault.request("GET", "/v1/secrets/aud-one")
    await vault.request("GET", "/v1/secrets/aud-none")

    async def reads() -> list[Any]:
        return await everything(vault, "/v1/audit", "&name=aud-one&operation=get&success=true&user_id=app")

    async def all_there() -> bool:
        return len(await reads()) == 3

    await within(10, all_there)
    found = await reads()
    assert {(each["name"], each["operation"], each["success"]) for each in found} == {("aud-one", "get", True)}
    assert found == sorted(found, key=lambda each: each["timestamp"], reverse=True)
    since = found[0]["timestamp"].replace("+", "%2B")
    assert len(await everything(vault, "/v1/audit", f"&name=aud-one&operation=get&since={since}")) == 1
    (missed,) = (await vault.request("GET", "/v1/audit?name=aud-none&success=false")).json["items"]
    assert missed["error_code"] == "secret_not_found"


async def test_case_30_a_cursor_keeps_to_its_search(vault: Client) -> None:
    await made(vault, "aud-page")
    await made(vault, "aud-page")
    cursor = (await vault.request("GET", "/v1/audit?limit=1&user_id=app")).json["next_cursor"]
    assert (await vault.request("GET", f"/v1/audit?limit=1&user_id=app&cursor={cursor}")).status == 200
    for query in ("", "&user_id=somebody", "&user_id=app&success=true"):
        answer = await vault.request("GET", f"/v1/audit?cursor={cursor}{query}")
        refused(answer, 400, "invalid_input", "cursor")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        *(("name=a_b", "name"), ("name=%00", "name"), ("user_id=%00", "user_id"), ("operation=%00", "operation")),
        *(
            ("since=2030-01-01", "since"),
            ("until=x", "until"),
            ("success=1", "success"),
            ("since=0", "since"),
            ("limit=1001", "limit"),
        ),
    ],
)
async def test_a_search_for_what_cannot_be_is_refused(vault: Client, query: str, field: str) -> None:
    refused(await vault.request("GET", f"/v1/audit?{query}"), 400, "invalid_input", field)


async def lines(client: Client, path: str) -> bytes:
    """A streamed answer, whole."""
    answer = await client.request("GET", path)
    assert (answer.status, answer.header("content-type")) == (200, "application/x-ndjson")
    assert answer.header("cache-control") == "no-cache, no-store"
    return answer.body


@pytest.mark.parametrize(
    ("accepted", "told"),
    [
        ("application/octet-stream", "application/octet-stream"),
        ("Application/Octet-Stream, application/problem+json", "application/octet-stream"),
        ("application/octet-stream, application/x-ndjson", "application/x-ndjson"),
        ("*/*", "application/x-ndjson"),
        ("text/html", "application/x-ndjson"),
    ],
)
async def test_a_client_that_knows_no_lines_of_json_gets_bytes(vault: Client, accepted: str, told: str) -> None:
    answer = await vault.request("GET", "/v1/audit/checkpoints", None, {"Accept": accepted})
    assert (answer.status, answer.header("content-type")) == (200, told)


async def test_i9_an_export_with_its_checkpoints_and_keys_is_what_the_verifier_takes(vault: Client) -> None:
    await made(vault, "aud-export")
    checkpoints = await lines(vault, "/v1/audit/checkpoints")
    records = await lines(vault, "/v1/audit/export")
    keys = (await vault.request("GET", "/v1/audit/keys")).json["items"]
    assert any(json.loads(line).get("name") == "aud-export" for line in records.splitlines())
    signed = KeyFile.parse("\n".join(keys)).signed
    assert verify(io.BytesIO(records), io.BytesIO(checkpoints), signed).intact
    cut = b"".join(records.splitlines(keepends=True)[1:])
    assert not verify(io.BytesIO(cut), io.BytesIO(checkpoints), signed).intact
    assert (await vault.request("GET", "/v1/audit/streams")).json == {"items": []}


async def test_i1_nothing_is_exported_to_those_who_may_not(installation: Installation, vault: Client) -> None:
    secret = await installation.register("aud-reader", ["get", "audit"], "aud-*")
    reader = await installation.client("aud-reader", secret)
    for path in ("export", "checkpoints", "keys", "streams"):
        refused(await reader.request("GET", f"/v1/audit/{path}"), 403, "access_denied")
    refused(await reader.request("GET", "/v1/audit"), 403, "access_denied")
    assert (await reader.request("GET", "/v1/audit?name=aud-one")).status == 200
