"""Tenants in URLs: by the installation's GUID, and by the name ``adfs`` where that is set."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from holdfast.auth.bearers import Bearers
from holdfast.auth.clients import ClientTokens
from holdfast.auth.resource import Audience
from holdfast.crypto.certificates import ServerCertificate
from holdfast.errors import SecretNotFound
from holdfast.web.app import create_app
from tests.support.https import Client, Response
from tests.support.server import running
from tests.support.stubs import NoIdentities
from tests.web.conftest import SECRET, TENANT, Stubbed

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
NAMES = ("adfs", TENANT)


@pytest.fixture(scope="module")
async def adfs(stubbed_server: Stubbed, certificate: ServerCertificate) -> AsyncIterator[Client]:
    """The same server, with ``adfs`` as its tenant's name."""
    stubs = stubbed_server
    tokens = ClientTokens(
        stubs.clients, stubs.signer, Audience("https://kv.example"), TENANT, stubs.clock, tenant_name="adfs"
    )
    parts = replace(stubs.parts, bearers=Bearers(tokens, NoIdentities(), stubs.parts.limits))
    async with running(create_app(parts), certificate) as port:
        yield Client(port, certificate.ca_file, host=stubs.anonymous.authority)


async def ask(client: Client, path: str, **fields: str | None) -> Response:
    form: dict[str, str | None] = {
        "grant_type": "client_credentials",
        "client_id": "app",
        "client_secret": SECRET,
        **fields,
    }
    body = "&".join(f"{name}={value}" for name, value in form.items() if value is not None)
    return await client.request("POST", path, body.encode(), FORM)


def resource(client: Client) -> str:
    return f"https://{client.authority}"


async def works(stubbed: Stubbed, answer: Response, client: Client) -> bool:
    stubbed.service.error = SecretNotFound("x")
    holder = replace(client, token=answer.json["access_token"])
    return (await holder.request("GET", "/secrets/x?api-version=7.4")).status == 404


# --- the first version of the endpoint


async def test_the_first_version_takes_a_resource_and_answers_in_texts(stubbed: Stubbed) -> None:
    client = stubbed.anonymous
    answer = await ask(client, f"/{TENANT}/oauth2/token", resource=resource(client))
    assert answer.status == 200
    token = answer.json
    now = int(stubbed.clock.now().timestamp())
    assert {name: value for name, value in token.items() if name != "access_token"} == {
        "token_type": "Bearer",
        "expires_in": "3600",
        "ext_expires_in": "3600",
        "expires_on": str(now + 3600),
        "not_before": str(now),
        "resource": resource(client),
    }
    assert await works(stubbed, answer, client)


async def test_the_first_version_takes_a_scope_of_the_second_and_answers_like_it(stubbed: Stubbed) -> None:
    scope = f"{resource(stubbed.anonymous)}/.default+openid+profile+offline_access"
    answer = await ask(stubbed.anonymous, f"/{TENANT}/oauth2/token", scope=scope)
    assert (answer.status, answer.json["expires_in"]) == (200, 3600)
    assert "resource" not in answer.json


async def test_the_first_version_goes_by_the_resource_where_both_are_given(stubbed: Stubbed) -> None:
    answer = await ask(
        stubbed.anonymous, f"/{TENANT}/oauth2/token", resource=resource(stubbed.anonymous), scope="openid"
    )
    assert (answer.status, answer.json["expires_in"]) == (200, "3600")


@pytest.mark.parametrize(
    ("fields", "error", "number"),
    [
        ({"resource": "https://vault.azure.net"}, "invalid_scope", 70011),
        ({"resource": ""}, "invalid_scope", 70011),
        ({}, "invalid_scope", 70011),
        ({"resource": "https://a&resource=https://b"}, "invalid_request", 9002313),
        ({"resource": "marked-guess", "client_secret": "wrong"}, "invalid_scope", 70011),
    ],
)
async def test_the_first_version_refuses_like_the_second(
    stubbed: Stubbed, fields: dict[str, str], error: str, number: int
) -> None:
    answer = await ask(stubbed.anonymous, f"/{TENANT}/oauth2/token", **fields)
    assert (answer.status, answer.json["error"], answer.json["error_codes"]) == (400, error, [number])
    assert b"marked-guess" not in answer.body


async def test_wrong_secrets_count_at_both_versions_together(stubbed: Stubbed) -> None:
    paths = [f"/{TENANT}/oauth2/token", f"/{TENANT}/oauth2/v2.0/token"]
    scope = f"{resource(stubbed.anonymous)}/.default"
    statuses = [
        (await ask(stubbed.anonymous, paths[number % 2], scope=scope, client_secret="wrong")).status
        for number in range(25)
    ]
    assert (statuses[0], statuses[-1]) == (401, 429)
    stubbed.clock.move(3600)


async def test_the_second_version_says_where_a_resource_is_taken(stubbed: Stubbed) -> None:
    answer = await ask(stubbed.anonymous, f"/{TENANT}/oauth2/v2.0/token", resource=resource(stubbed.anonymous))
    assert (answer.status, answer.json["error"], answer.json["error_codes"]) == (400, "invalid_request", [901002])
    assert "/oauth2/token" in answer.json["error_description"]


# --- names of the tenant


async def test_adfs_is_no_tenant_unless_it_is_set(stubbed: Stubbed) -> None:
    for path in ("oauth2/token", "oauth2/v2.0/token"):
        answer = await ask(stubbed.anonymous, f"/adfs/{path}", scope="x")
        assert (answer.status, answer.json["error_codes"]) == (400, [90002])
    for path in (".well-known/openid-configuration", "discovery/v2.0/keys", "discovery/keys"):
        assert (await stubbed.anonymous.request("GET", f"/adfs/{path}")).json["error_codes"] == [90002]


@pytest.mark.parametrize("name", [*NAMES, "ADFS", TENANT.upper()])
@pytest.mark.parametrize("path", ["oauth2/token", "oauth2/v2.0/token"])
async def test_where_it_is_set_both_names_give_tokens(stubbed: Stubbed, adfs: Client, name: str, path: str) -> None:
    answer = await ask(adfs, f"/{name}/{path}", scope=f"{resource(adfs)}/.default")
    assert answer.status == 200
    assert await works(stubbed, answer, adfs)


async def test_the_challenge_names_the_tenant_as_it_is_set(adfs: Client) -> None:
    answer = await adfs.request("GET", "/secrets/x?api-version=7.4")
    expected = f'Bearer authorization="{resource(adfs)}/adfs", resource="{resource(adfs)}"'
    assert answer.header("www-authenticate") == expected


async def test_another_name_is_told_the_one_that_is_set(adfs: Client) -> None:
    answer = await ask(adfs, "/common/oauth2/token", scope="x")
    assert (answer.status, answer.json["error_codes"]) == (400, [90002])
    assert "adfs" in answer.json["error_description"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("version", "token", "keys"), [("", "token", "keys"), ("/v2.0", "v2.0/token", "v2.0/keys")])
async def test_discovery_stays_with_the_name_and_version_that_were_asked(
    adfs: Client, name: str, version: str, token: str, keys: str
) -> None:
    found = (await adfs.request("GET", f"/{name}{version}/.well-known/openid-configuration")).json
    assert found["token_endpoint"] == f"{resource(adfs)}/{name}/oauth2/{token}"
    assert found["jwks_uri"] == f"{resource(adfs)}/{name}/discovery/{keys}"
    assert found["issuer"] == f"{resource(adfs)}/{TENANT}/v2.0", "as the tokens have it"
    assert (await adfs.request("GET", found["jwks_uri"].removeprefix(resource(adfs)))).json["keys"]


async def test_what_is_in_a_token_does_not_depend_on_names_in_urls(stubbed: Stubbed, adfs: Client) -> None:
    def lasting(answer: Response) -> dict[str, Any]:
        claims = stubbed.signer.verify(answer.json["access_token"])
        return {name: value for name, value in claims.items() if name != "jti"}

    scope = f"{resource(adfs)}/.default"
    answers = [await ask(adfs, f"/{name}/oauth2/v2.0/token", scope=scope) for name in NAMES]
    before = await ask(stubbed.anonymous, f"/{TENANT}/oauth2/v2.0/token", scope=scope)
    assert lasting(answers[0]) == lasting(answers[1]) == lasting(before)
    assert lasting(before)["tid"] == TENANT
    assert await works(stubbed, before, adfs), "given before the name was set"
    assert await works(stubbed, answers[0], stubbed.anonymous), "and kept after it was unset"


# --- what is not there

_WHOLE = b"grant_type=client_credentials&client_id=app&client_secret=x&resource=https://x"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "path",
    [
        *(f"/{TENANT}/oauth2/v3.0/token", f"/{TENANT}/oauth2", f"/{TENANT}/oauth2/", "/adfs/oauth2/devicecode"),
        *("/common/discovery/instance", "/common/oauth2/v2.0/authorize", f"/{TENANT}/v2.0/x", "/adfs/x", "/adfs"),
        *(f"/{TENANT}", f"/{TENANT}/x/y", "/contoso.onmicrosoft.com/oauth2/x", "/common/.well-known/x"),
        *("/%61dfs/x", "/adfs/%2e%2e/secrets"),
    ],
)
async def test_an_unknown_path_of_a_tenant_is_an_oauth_error(stubbed: Stubbed, method: str, path: str) -> None:
    answer = await stubbed.anonymous.request(method, path, None if method == "GET" else b"", FORM)
    assert (answer.status, answer.json["error"]) == (404, "invalid_request")
    assert answer.header("www-authenticate") is None
    assert {"error_codes", "timestamp", "correlation_id", "trace_id"} <= answer.json.keys()


@pytest.mark.parametrize("path", [f"/{TENANT}/oauth2/token", f"/{TENANT}/oauth2/v2.0/token", "/adfs/oauth2/token"])
async def test_the_token_endpoint_takes_nothing_but_post(stubbed: Stubbed, path: str) -> None:
    answer = await stubbed.anonymous.request("GET", path)
    assert (answer.status, answer.json["error_codes"], answer.header("allow")) == (405, [900561], "POST")


@pytest.mark.parametrize("path", ["/secrets/oauth2/token", "/secrets/discovery/keys", "/deletedsecrets/oauth2/recover"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_secrets_may_be_called_like_parts_of_a_tenants_paths(stubbed: Stubbed, method: str, path: str) -> None:
    answer = await stubbed.anonymous.request(method, f"{path}?api-version=7.4")
    assert (answer.status, answer.codes) == (401, ("Unauthorized", None))


@pytest.mark.parametrize(
    ("body", "headers", "status", "error"),
    [
        (b"x" * 20_000, FORM, 413, "invalid_request"),
        (b"x", {**FORM, "Content-Encoding": "gzip"}, 415, "invalid_request"),
        (_WHOLE, {**FORM, "Host": "a b"}, 400, "invalid_request"),
    ],
)
async def test_whatever_is_wrong_with_a_request_for_a_token_is_an_oauth_error(
    stubbed: Stubbed, body: bytes, headers: dict[str, str], status: int, error: str
) -> None:
    answer = await stubbed.anonymous.request("POST", f"/{TENANT}/oauth2/token", body, headers)
    assert (answer.status, answer.json["error"]) == (status, error)
    assert {"error_codes", "timestamp", "correlation_id", "trace_id"} <= answer.json.keys()
