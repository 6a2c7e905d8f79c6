"""The managed identity endpoint of the server."""

import json
from dataclasses import replace

import pytest

from holdfast.errors import SecretNotFound
from tests.support.https import Response
from tests.support.installation import Installation
from tests.support.node import rows
from tests.web.conftest import SECRET, Stubbed

VERSIONS = {"2019-08-01": "X-IDENTITY-HEADER", "2017-09-01": "secret"}
SHOWN = f"app:{SECRET}"


async def ask(
    stubbed: Stubbed, query: str = "", *, method: str = "GET", path: str = "/msi/token", **headers: str
) -> Response:
    resource = f"https://{stubbed.anonymous.authority}"
    query = query or f"api-version=2019-08-01&resource={resource}"
    given = {name.replace("_", "-"): value for name, value in headers.items()} or {"X-IDENTITY-HEADER": SHOWN}
    return await stubbed.anonymous.request(method, f"{path}?{query.format(r=resource)}", None, given)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", ["/msi/token", "/msi/token/"])
async def test_a_right_header_gives_a_token_that_works(stubbed: Stubbed, version: str, path: str) -> None:
    answer = await ask(stubbed, f"api-version={version}&resource={{r}}", path=path, **{VERSIONS[version]: SHOWN})
    assert answer.status == 200
    token, now = answer.json, int(stubbed.clock.now().timestamp())
    assert {name: value for name, value in token.items() if name != "access_token"} == {
        "client_id": "app",
        "expires_on": str(now + 3600),
        "not_before": str(now),
        "resource": f"https://{stubbed.anonymous.authority}",
        "token_type": "Bearer",
    }
    stubbed.service.error = SecretNotFound("x")
    holder = replace(stubbed.anonymous, token=token["access_token"])
    assert (await holder.request("GET", "/secrets/x?api-version=7.4")).status == 404


@pytest.mark.parametrize("shown", ["app:wrong", "other:" + SECRET, f"app:{SECRET}x", "\xff\xfe:\xff", f"APP:{SECRET}"])
async def test_a_wrong_header_is_refused_and_echoed_nowhere(stubbed: Stubbed, shown: str) -> None:
    answer = await ask(stubbed, X_IDENTITY_HEADER=shown)
    assert (answer.status, answer.json["statusCode"], answer.json["error"]) == (401, 401, "invalid_client")
    assert answer.json["message"] == answer.json["error_description"] == "The client id or the client secret is wrong."
    assert answer.json["correlationId"]
    assert answer.header("www-authenticate") is None


@pytest.mark.parametrize("shown", ["", "app", "app:", f":{SECRET}", SECRET])
async def test_a_header_without_both_parts_is_refused(stubbed: Stubbed, shown: str) -> None:
    for headers in ({"X-IDENTITY-HEADER": shown}, {"Metadata": "true"}, {"Authorization": f"Bearer {SHOWN}"}):
        answer = await ask(stubbed, **{name.replace("-", "_"): value for name, value in headers.items()})
        assert (answer.status, answer.json["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    "query",
    [
        *("resource={r}", "api-version=2019-08-01", "api-version=2018-02-01&resource={r}", "x"),
        *("api-version=2019-08-01&resource=", "api-version=2019-08-01&resource={r}&resource={r}"),
        "api-version=2019-08-01&resource=https://vault.azure.net",
        "api-version=2019-08-01&resource={r}/",
        "api-version=2019-08-01&resource={r}/.default",
        "api-version=2019-08-01&resource={r}&api-version=2019-08-01",
        "api-version=2019-08-01&resource={r}&client_id=other",
        "api-version=2019-08-01&resource={r}&clientid=other",
        "api-version=2019-08-01&resource={r}&mi_res_id=/subscriptions/x",
        "api-version=2019-08-01&resource={r}&client_id=app&object_id=app",
        "api-version=2019-08-01&resource=%ff",
        "api-version=2019-08-01&resource={r}&" + "&".join(f"x{number}" for number in range(40)),
    ],
)
async def test_what_is_no_question_is_refused_in_the_form_that_clients_read(stubbed: Stubbed, query: str) -> None:
    answer = await ask(stubbed, query)
    assert (answer.status, answer.json["statusCode"]) == (400, 400)
    assert {"message", "error", "error_description", "correlationId"} <= answer.json.keys()
    assert SECRET.encode() not in answer.body


async def test_the_client_may_be_named_as_what_it_is(stubbed: Stubbed) -> None:
    for named in ("client_id=app", "clientid=app", f"object_id={stubbed.tokens.object_id('app')}", "client_id="):
        assert (await ask(stubbed, f"api-version=2019-08-01&resource={{r}}&{named}")).status == 200
    other = await ask(stubbed, "api-version=2019-08-01&resource={r}&client_id=other")
    assert other.json["message"].startswith("No User Assigned or Delegated Managed Identity found")


@pytest.mark.parametrize("path", ["/msi/", "/msi/tokens", "/msi/token/x", "/msi/%74oken", "/msi//token"])
async def test_there_is_nothing_else_below_it(stubbed: Stubbed, path: str) -> None:
    for method in ("GET", "POST"):
        answer = await ask(stubbed, path=path, method=method)
        assert (answer.status, answer.json["statusCode"]) == (404, 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_it_takes_nothing_but_get(stubbed: Stubbed, method: str) -> None:
    answer = await ask(stubbed, method=method)
    assert (answer.status, answer.header("allow"), answer.json["statusCode"]) == (405, "GET", 405)


async def test_a_body_and_a_repeated_or_second_header_are_refused(stubbed: Stubbed) -> None:
    resource = f"https://{stubbed.anonymous.authority}"
    target = f"/msi/token?api-version=2019-08-01&resource={resource}"
    body = await stubbed.anonymous.request("GET", target, b"x", {"X-IDENTITY-HEADER": SHOWN})
    assert body.status == 413
    for headers in (
        {"X-IDENTITY-HEADER": SHOWN, "x-identity-header": SHOWN},
        {"X-IDENTITY-HEADER": SHOWN, "secret": SHOWN},
    ):
        answer = await stubbed.anonymous.request("GET", target, None, headers)
        assert (answer.status, answer.json["error"]) == (400, "invalid_request")


async def test_wrong_headers_are_counted_with_wrong_secrets_and_right_ones_get_through(stubbed: Stubbed) -> None:
    statuses = [(await ask(stubbed, X_IDENTITY_HEADER="app:wrong")).status for _ in range(25)]
    assert (statuses[0], statuses[-1]) == (401, 429)
    busy = await ask(stubbed, X_IDENTITY_HEADER="app:wrong")
    assert (busy.json["statusCode"], busy.json["error"]) == (429, "temporarily_unavailable")
    assert int(busy.header("retry-after") or 0) > 0
    form = f"grant_type=client_credentials&client_id=app&client_secret=wrong&resource=https://{stubbed.anonymous.authority}"
    at_the_token_endpoint = await stubbed.anonymous.request(
        "POST",
        f"/{stubbed.tokens.tenant}/oauth2/token",
        form.encode(),
        {"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert at_the_token_endpoint.status == 429
    assert (await ask(stubbed)).status == 200
    stubbed.clock.move(3600)


async def test_i6_every_attempt_is_on_record_and_no_disabled_client_gets_in(installation: Installation) -> None:
    secret = await installation.register("msi-app")
    anonymous = replace(await installation.client("msi-app", secret), token=None)
    dsn = str(installation.settings.database_url)

    async def attempt(shown: str) -> int:
        target = f"/msi/token?api-version=2019-08-01&resource={anonymous.url}"
        answer = await anonymous.request("GET", target, None, {"X-IDENTITY-HEADER": shown})
        assert json.loads(answer.body)
        return answer.status

    before = await rows(dsn, _RECORDED, "msi-app")
    assert [await attempt(f"msi-app:{secret}"), await attempt("msi-app:wrong")] == [200, 401]
    await installation.service.identities.disable("msi-app")
    assert await attempt(f"msi-app:{secret}") == 401
    await installation.service.identities.enable("msi-app")
    await installation.service.remove_client("msi-app")
    assert await attempt(f"msi-app:{secret}") == 401
    recorded = (await rows(dsn, _RECORDED, "msi-app"))[len(before) :]
    assert [success for success, _ in recorded] == [True, False, False, False]
    assert {address for _, address in recorded} == {"127.0.0.1"}


_RECORDED = (
    "SELECT success, ip_address::text FROM secret_access_logs WHERE user_id = $1 AND operation = 'login' ORDER BY seq"
)
