"""What stays behind of a request: its audit record, and nothing secret in any log."""

import logging

import pytest

from tests.support.https import Client
from tests.support.installation import Installation
from tests.support.node import within
from tests.web.test_raw_http import with_login

V = "?api-version=7.4"


async def test_i1_reads_and_refusals_are_on_record_with_who_and_where(
    installation: Installation, vault: Client
) -> None:
    await vault.request("PUT", f"/secrets/recorded{V}", {"value": "x"})
    headers = {"User-Agent": "my-app/1.0", "X-Forwarded-For": "203.0.113.9"}
    read = await vault.request("GET", f"/secrets/recorded{V}", headers=headers)
    stranger = await installation.client("stranger", await installation.register("stranger", permissions=()))
    denied = await stranger.request("GET", f"/secrets/Recorded{V}")
    refusal, success, *_ = await installation.service.get_access_history("recorded")

    assert (success.user_id, success.operation, success.success, success.version) == ("app", "get", True, 1)
    assert (success.ip_address, success.user_agent) == ("127.0.0.1", "my-app/1.0")
    assert success.request_id == read.header("x-ms-request-id")
    assert (refusal.user_id, refusal.success, refusal.error_code) == ("stranger", False, "access_denied")
    assert refusal.request_id == denied.header("x-ms-request-id")


async def test_an_answer_that_breaks_off_is_on_record_as_such(installation: Installation, vault: Client) -> None:
    await vault.request("PUT", f"/secrets/broken{V}", {"value": "x" * 20_000})

    async def is_recorded() -> bool:
        async with vault.connected() as connection:
            await connection.send(with_login(vault, f"GET /secrets/broken{V} HTTP/1.1\r\n"))
            connection.abort()
        found = await installation.service.audit.search(name="broken", success=False)
        return any(record.error_code == "break_off" for record in found.records)

    await within(20, is_recorded)
    found = await installation.service.audit.search(name="broken", limit=1000)
    broken = next(record for record in found.records if record.error_code == "break_off")
    assert (broken.user_id, broken.operation, broken.version, broken.detail) == ("app", "get", 1, "disclosed=unknown")
    beside = [record.success for record in found.records if record.request_id == broken.request_id]
    assert sorted(beside) == [False, True], "what was allowed stays on record as that"


async def test_an_answer_that_arrives_leaves_one_record(installation: Installation, vault: Client) -> None:
    await vault.request("PUT", f"/secrets/whole{V}", {"value": "x" * 20_000})
    for _ in range(5):
        async with vault.connected() as connection:
            await connection.send(with_login(vault, f"GET /secrets/whole{V} HTTP/1.1\r\n"))
            assert (await connection.response()).status == 200
            connection.abort()
    await vault.request("GET", f"/secrets/whole{V}")
    found = await installation.service.audit.search(name="whole")
    assert [record.success for record in found.records] == [True] * 7


async def test_i13_no_value_token_or_backup_reaches_a_log(
    installation: Installation, vault: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = await installation.register("logged")
    client = await installation.client("logged", secret)
    await client.request("PUT", f"/secrets/logged{V}", {"value": "marked-value", "tags": {"k": "marked-tag"}})
    await client.request("GET", f"/secrets/logged{V}")
    blob = (await client.request("POST", f"/secrets/logged/backup{V}")).json["value"]
    wrong = (
        await client.request("PUT", f"/secrets/logged{V}", b'{"value":"marked-value"'),
        await client.request("PUT", f"/secrets/logged{V}", {"value": "marked-value" * 3000}),
        await client.request("PUT", f"/secrets/logged{V}", {"value": "x", "tags": {"marked-tag": "x" * 600}}),
        await client.request("POST", f"/secrets/restore{V}", {"value": blob[:-4]}),
        await client.request("POST", f"/secrets/restore{V}", {"value": blob}),
    )
    for text in ("marked", blob[:40], client.token or "", secret):
        assert text not in caplog.text
        assert not any(text.encode() in answer.body for answer in wrong)
