"""What a request must be like, before it is about anything."""

import json
from collections.abc import Iterator

import pytest

from holdfast.web.limits import MAX_BODY_BYTES
from tests.support.https import Client
from tests.support.installation import Installation
from tests.web.conftest import Stubbed
from tests.web.v1.test_secrets import made, refused

NAME = "/v1/secrets/own-strict"


def bodies() -> Iterator[tuple[bytes, str]]:
    """Bodies that are no set, with the field that is named."""
    for member in ("id", "version", "generation", "created_by", "kid", "__proto__", "constructor", "marked-member"):
        yield json.dumps({"value": "marked-value", member: "marked-value"}).encode(), ""
    yield b'{"value":"x","value":"y"}', "body"
    yield b'{"value":"marked-value"', "body"
    yield b"[" * 100_000, "body"
    yield b'{"value":' + b"[" * 20 + b"]" * 20 + b"}", "body"
    yield b'{"value":NaN}', "body"
    yield b'{"value":' + b"9" * 100_000 + b"}", "body"
    yield b"\xef\xbb\xbf{}", "body"
    yield '{"value":"x"}'.encode("utf-16"), "body"
    yield b"[]", "body"
    yield b"", "body"
    yield b"{}", "value"
    yield b'{"value":null}', "value"
    yield b'{"value":1e999}', "value"
    yield b'{"value":{"marked-value":1}}', "value"
    yield json.dumps({"value": "marked-value" * 4000}).encode(), "value"
    yield b'{"value":"\\ud800"}', "value"
    yield b'{"value":"","tags":{"marked-tag":1}}', "tags[...]"
    yield b'{"value":"","tags":{"":"x"}}', "tags"
    yield b'{"value":"","enabled":"true"}', "enabled"
    yield b'{"value":"","enabled":1}', "enabled"
    yield b'{"value":"","expires_at":"2030-01-01T00:00:00"}', "expires_at"
    yield b'{"value":"","expires_at":"1969-12-31T23:59:59Z"}', "expires_at"
    yield b'{"value":"","expires_at":"9999-12-31T23:59:59-14:00"}', "expires_at"
    yield b'{"value":"","expires_at":4102444800}', "expires_at"
    yield b'{"value":"","notify_on_expiry":["a@b\\r\\nBcc: marked-value"]}', "notify_on_expiry"
    yield b'{"value":"","rotation_policy":{"interval_days":0}}', "rotation_policy.interval_days"
    yield b'{"value":"","rotation_policy":{"marked-member":0}}', "rotation_policy"
    yield json.dumps({"value": "", "tags": {str(number): "" for number in range(16)}}).encode(), "tags"


@pytest.mark.parametrize(("body", "field"), list(bodies()))
async def test_case_31_and_35_what_does_not_fit_is_refused_without_repeating_it(
    vault: Client, body: bytes, field: str
) -> None:
    answer = await vault.request("PUT", NAME, body)
    assert (answer.status, answer.problem["code"]) == (400, "invalid_input")
    assert answer.problem.get("field", "") == field
    assert b"marked" not in answer.body
    refused(await vault.request("GET", NAME), 404, "secret_not_found")


async def test_case_22_permissions_are_of_the_list(vault: Client) -> None:
    for permissions in (["GET"], [" get"], [], None, "get", ["get"] * 10_000, ["marked-verb"]):
        body = {"pattern": "own-*", "user_id": "someone", "permissions": permissions}
        answer = await vault.request("PUT", "/v1/grants", body)
        assert (answer.status, answer.problem["code"]) == (400, "invalid_input")
        assert answer.problem["field"].startswith("permissions")
        assert b"marked" not in answer.body


@pytest.mark.parametrize(
    "path",
    [
        *(
            "own-name%2F",
            "own-name%00",
            "own-name;x",
            "own-name%20",
            "..%2fown-name",
            "own-name%C0%AF",
            "%FF",
            "_",
            "own%0Aname",
        ),
        *("a.b", "a_b", "a" * 128, "%F0%9F%94%91", "%E2%80%AEabc", "own%252Dname"),
    ],
)
async def test_case_13_and_14_a_name_that_is_none_is_refused(vault: Client, path: str) -> None:
    answer = await vault.request("GET", f"/v1/secrets/{path}")
    refused(answer, 400, "invalid_input", "name")
    assert b"own" not in answer.body


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/", "/v1/secrets/", "/v1//secrets", "/v1/secrets//own-name", "/v1/secrets/own-name/", "/v1/Secrets"),
        *("/v1/%73ecrets", "/v1/../v1/secrets", "/v1/secrets/a/../b", "/v1/secrets/a/versions/1/x"),
        *("/v1/secrets%2Fown-name", "/v1/x?next=/healthz"),
    ],
)
async def test_case_11_a_path_is_matched_to_the_letter(vault: Client, stubbed: Stubbed, path: str) -> None:
    refused(await vault.request("GET", path), 404, "no_such_path")
    refused(await stubbed.anonymous.request("GET", path), 401, "unauthenticated")


async def test_the_other_spellings_of_v1_are_not_ours(vault: Client) -> None:
    for path in ("/%76%31/secrets", "/V1/secrets", "/v1"):
        answer = await vault.request("GET", f"{path}?api-version=7.4")
        assert (answer.status, answer.codes) == (404, ("NotFound", None))


async def test_case_12_and_13_spellings_of_a_name_are_one_secret(installation: Installation, vault: Client) -> None:
    await made(vault, "own-spelling", "x")
    reader = await installation.client("speller", await installation.register("speller", ["get"], "own-spelling"))
    for path in ("OWN-Spelling", "%6Fwn-spelling", "own%2Dspelling"):
        assert (await reader.request("GET", f"/v1/secrets/{path}")).json["value"] == "x"


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "POST", "CONNECT", "GETS", "get"])
async def test_case_33_no_other_method_does_anything(installation: Installation, vault: Client, method: str) -> None:
    await made(vault, "own-method", "x")
    headers = {"X-HTTP-Method-Override": "DELETE", "X-HTTP-Method": "DELETE", "X-Method-Override": "DELETE"}
    answer = await vault.request(method, "/v1/secrets/own-method", headers=headers)
    assert answer.status == (400 if method in {"GETS", "get"} else 405)  # the parser knows no such methods
    if answer.status == 405:
        assert answer.header("allow") == "DELETE, GET, PATCH, PUT"
    assert (await vault.request("GET", "/v1/secrets/own-method", headers=headers)).json["value"] == "x"
    assert all(each.operation != "delete" for each in await installation.service.get_access_history("own-method"))


async def test_query_parameters_that_nobody_knows_are_refused(vault: Client) -> None:
    for target in ("/v1/secrets?Limit=1", "/v1/secrets/a?x=marked", "/v1/secrets?limit=1&limit=1", "/v1/secrets?a=%FF"):
        answer = await vault.request("GET", target)
        assert (answer.status, answer.problem["code"]) == (400, "invalid_input")
        assert b"marked" not in answer.body
    many = "&".join(f"a{number}=1" for number in range(33))
    refused(await vault.request("GET", f"/v1/secrets?{many}"), 400, "invalid_input", "query")


async def test_case_34_and_37_bodies_are_bounded_and_plain_json(vault: Client) -> None:
    async with vault.connected() as connection:
        await connection.send(vault.head("PUT", NAME, {}, MAX_BODY_BYTES + 1))
        refused(await connection.response(), 413, "payload_too_large")
        assert await connection.ended()
    gzip = await vault.request("PUT", NAME, b"x", {"Content-Encoding": "gzip"})
    refused(gzip, 415, "unsupported_encoding")
    form = await vault.request("PUT", NAME, b'{"value":"x"}', {"Content-Type": "application/x-www-form-urlencoded"})
    refused(form, 415, "unsupported_media_type")
    for kind in ("application/json", "Application/JSON; charset=utf-8"):
        assert (await vault.request("PUT", NAME + "-kind", b'{"value":"x"}', {"Content-Type": kind})).status == 200


async def test_case_36_without_a_login_no_body_is_looked_at(stubbed: Stubbed) -> None:
    """What follows is not read as a body of the first request, nor as one of its own."""
    async with stubbed.anonymous.connected() as connection:
        await connection.send(stubbed.anonymous.head("PUT", NAME, {}, MAX_BODY_BYTES + 1))
        refused(await connection.response(), 401, "unauthenticated")


async def test_a_request_keeps_its_id(installation: Installation, vault: Client) -> None:
    await made(vault, "own-id", "x")
    answer = await vault.request("GET", "/v1/secrets/own-id", headers={"X-Request-Id": "Root=1-67891233-abc"})
    assert answer.header("x-request-id") == "Root=1-67891233-abc"
    record = (await installation.service.get_access_history("own-id"))[0]
    assert record.request_id == "Root=1-67891233-abc"
    fresh = (await vault.request("GET", "/v1/secrets/own-id")).header("x-request-id")
    assert fresh != (await vault.request("GET", "/v1/secrets/own-id")).header("x-request-id")


@pytest.mark.parametrize("given", ["", "a b", "é", "x" * 129, "a\tb"])
async def test_a_request_id_that_could_forge_a_log_line_is_refused(vault: Client, given: str) -> None:
    answer = await vault.request("GET", "/v1/secrets/own-id", headers={"X-Request-Id": given})
    refused(answer, 400, "invalid_input", "X-Request-Id")
    assert answer.header("x-request-id") != given


@pytest.mark.parametrize("token", ["", "x", "hf_x", "a" * 20_000, "é", "eyJhbGciOiJub25lIn0.e30."])
async def test_case_1_and_2_a_bad_token_is_told_no_more_than_none(stubbed: Stubbed, token: str) -> None:
    anonymous = stubbed.anonymous
    none = await anonymous.request("GET", NAME)
    bad = await anonymous.request("GET", NAME, headers={"Authorization": f"Bearer {token}"})
    assert none.header("www-authenticate") == bad.header("www-authenticate") == "Bearer"
    assert (none.status, none.problem["code"]) == (bad.status, bad.problem["code"]) == (401, "unauthenticated")


async def test_case_3_a_token_comes_once_and_in_its_header(stubbed: Stubbed) -> None:
    token = stubbed.client.token
    query = await stubbed.anonymous.request("GET", f"{NAME}?access_token={token}")
    refused(query, 401, "unauthenticated")
    twice = await stubbed.client.request("GET", NAME, headers={"authorization": f"Bearer {token}"})
    refused(twice, 400, "invalid_input", "authorization")
