"""The challenge, tokens, and what of a request is looked at before its caller is known."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from holdfast.errors import SecretNotFound
from tests.support.https import Client
from tests.web.conftest import SECRET, TENANT, Stubbed

ROUTES = [
    *(("PUT", "/secrets/x"), ("GET", "/secrets/x"), ("GET", "/secrets/x/"), ("GET", "/secrets/x/versions")),
    *(("GET", f"/secrets/x/{'0' * 32}"), ("PATCH", f"/secrets/x/{'0' * 32}"), ("PATCH", "/secrets/x/")),
    *(("GET", "/secrets"), ("DELETE", "/secrets/x"), ("POST", "/secrets/x/backup"), ("POST", "/secrets/restore")),
    *(("GET", "/deletedsecrets"), ("GET", "/deletedsecrets/x"), ("DELETE", "/deletedsecrets/x")),
    *(("POST", "/deletedsecrets/x/recover"), ("PUT", "/secrets/"), ("GET", "/keys"), ("GET", "/certificates")),
    *(
        ("HEAD", "/secrets/x"),
        ("OPTIONS", "/secrets/x"),
        ("GET", "/"),
        ("GET", "/secrets/a_b"),
        ("TRACE", "/secrets/x"),
    ),
]


@pytest.mark.parametrize("query", ["?api-version=7.4", "", "?api-version=1.0"])
@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_every_route_challenges_the_unauthenticated_first(
    stubbed: Stubbed, method: str, path: str, query: str
) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await stubbed.anonymous.request(method, path + query, headers=headers)
    assert answer.status == 401
    host = re.escape(stubbed.anonymous.authority)
    challenge = answer.header("www-authenticate") or ""
    assert re.fullmatch(rf'Bearer authorization="https://{host}/{TENANT}", resource="https://{host}"', challenge)
    if method != "HEAD":
        assert answer.codes == ("Unauthorized", None)
        assert answer.json["error"]["message"].startswith("AKV10000")


async def test_under_the_configured_domain_the_challenge_names_it(stubbed: Stubbed) -> None:
    client = Client(stubbed.anonymous.port, stubbed.anonymous.ca_file, host="V.kv.example")
    challenge = (await client.request("GET", "/secrets?api-version=7.4")).header("www-authenticate")
    assert challenge == f'Bearer authorization="https://v.kv.example/{TENANT}", resource="https://kv.example"'


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_word_may_be_written_in_any_case(stubbed: Stubbed, scheme: str) -> None:
    stubbed.service.error = SecretNotFound("x")
    headers = {"Authorization": f"{scheme} {stubbed.client.token}"}
    assert (await stubbed.anonymous.request("GET", "/secrets/x?api-version=7.4", headers=headers)).status == 404


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "PoP {t}", "Basic {t}", "{t}", "Bearer {t}x", "Bearer x.y.z"]
)
async def test_anything_but_a_good_bearer_token_is_challenged(stubbed: Stubbed, header: str) -> None:
    headers = {"Authorization": header.format(t=stubbed.client.token)}
    answer = await stubbed.anonymous.request("GET", "/secrets/x?api-version=7.4", headers=headers)
    assert answer.status == 401
    assert answer.header("www-authenticate")


async def test_two_authorization_headers_are_refused(stubbed: Stubbed) -> None:
    headers = {"Authorization": f"Bearer {stubbed.client.token}", "authorization": f"Bearer {stubbed.client.token}"}
    assert (await stubbed.anonymous.request("GET", "/secrets/x?api-version=7.4", headers=headers)).status == 400


async def test_a_token_for_another_host_is_refused(stubbed: Stubbed) -> None:
    other = Client(stubbed.client.port, stubbed.client.ca_file, stubbed.client.token, host="v.kv.example")
    answer = await other.request("GET", "/secrets/x?api-version=7.4")
    assert answer.status == 401
    assert answer.json["error"]["message"].startswith("AKV10022")
    assert answer.header("www-authenticate")


async def test_posing_as_azure_gets_nobody_in(stubbed: Stubbed) -> None:
    claims = dict(stubbed.signer.verify(stubbed.client.token or ""))
    token = stubbed.signer.sign({**claims, "aud": "https://vault.azure.net"})
    for host in ("", "x.vault.azure.net", "vault.azure.net"):
        client = Client(stubbed.client.port, stubbed.client.ca_file, token, host=host)
        assert (await client.request("GET", "/secrets/x?api-version=7.4")).status == 401


async def test_i6_a_removed_client_is_out_at_once(stubbed: Stubbed) -> None:
    stubbed.service.error = SecretNotFound("x")
    assert (await stubbed.client.request("GET", "/secrets/x?api-version=7.4")).status == 404
    stubbed.clients.active = False
    assert (await stubbed.client.request("GET", "/secrets/x?api-version=7.4")).status == 401


async def test_an_expired_token_is_challenged(stubbed: Stubbed) -> None:
    stubbed.clock.move(3700)
    answer = await stubbed.client.request("GET", "/secrets/x?api-version=7.4")
    assert (answer.status, answer.codes) == (401, ("Unauthorized", None))
    assert answer.header("www-authenticate")


@pytest.mark.parametrize("host", ["", "a b", "a/b", "x@y", "a,b"])
async def test_a_request_without_a_proper_host_is_refused(stubbed: Stubbed, host: str) -> None:
    for method in ("GET", "PUT"):
        answer = await stubbed.client.request(method, "/secrets/x?api-version=7.4", headers={"Host": host})
        assert (answer.status, answer.codes) == (400, ("BadParameter", None))


# --- the token endpoint -------------------------------------------------------------------------------------------


def form(stubbed: Stubbed, **changes: str | None) -> bytes:
    fields: dict[str, str | None] = {
        "grant_type": "client_credentials",
        "client_id": "app",
        "client_secret": SECRET,
        "scope": f"https://{stubbed.anonymous.authority}/.default",
        **changes,
    }
    return "&".join(f"{name}={value}" for name, value in fields.items() if value is not None).encode()


TOKEN_PATH = f"/{TENANT}/oauth2/v2.0/token"
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


async def test_a_secret_becomes_a_token_that_works(stubbed: Stubbed) -> None:
    answer = await stubbed.anonymous.request("POST", TOKEN_PATH, form(stubbed), FORM)
    assert answer.status == 200
    assert "no-store" in (answer.header("cache-control") or "")
    token = answer.json
    assert (token["token_type"], token["expires_in"]) == ("Bearer", 3600)
    stubbed.service.error = SecretNotFound("x")
    client = Client(stubbed.client.port, stubbed.client.ca_file, token["access_token"])
    assert (await client.request("GET", "/secrets/x?api-version=7.4")).status == 404


async def test_basic_authentication_works_too(stubbed: Stubbed) -> None:
    import base64

    basic = base64.b64encode(f"app:{SECRET}".encode()).decode()
    body = form(stubbed, client_id=None, client_secret=None)
    headers = {**FORM, "Authorization": f"Basic {basic}"}
    assert (await stubbed.anonymous.request("POST", TOKEN_PATH, body, headers)).status == 200
    wrong = {**FORM, "Authorization": "Basic " + base64.b64encode(b"app:wrong").decode()}
    answer = await stubbed.anonymous.request("POST", TOKEN_PATH, body, wrong)
    assert (answer.status, answer.json["error"]) == (401, "invalid_client")
    assert (answer.header("www-authenticate") or "").startswith("Basic")


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": "marked-guess"}, 401, "invalid_client"),
        ({"client_id": "marked-guess"}, 401, "invalid_client"),
        ({"client_secret": None}, 400, "invalid_request"),
        ({"client_id": None}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": None}, 400, "unsupported_grant_type"),
        ({"scope": None}, 400, "invalid_scope"),
        ({"scope": "marked-guess"}, 400, "invalid_scope"),
        ({"scope": "https://vault.azure.net/.default"}, 400, "invalid_scope"),
        ({"scope": "https://marked-guess.example/.default"}, 400, "invalid_scope"),
        ({"scope": "https://a/.default+https://b/.default"}, 400, "invalid_scope"),
        ({"client_id": "app&client_id=app"}, 400, "invalid_request"),
        ({"client_secret": "%ff"}, 400, "invalid_request"),
    ],
)
async def test_refusals_speak_oauth_and_echo_nothing(
    stubbed: Stubbed, changes: dict[str, str | None], status: int, error: str
) -> None:
    answer = await stubbed.anonymous.request("POST", TOKEN_PATH, form(stubbed, **changes), FORM)
    assert (answer.status, answer.json["error"]) == (status, error)
    assert b"marked-guess" not in answer.body
    assert SECRET.encode() not in answer.body
    assert answer.header("retry-after") is None


async def test_a_refusal_has_what_azures_clients_print(stubbed: Stubbed) -> None:
    wrong, asked = form(stubbed, client_secret="marked-guess"), "11111111-2222-3333-4444-555555555555"
    answer = await stubbed.anonymous.request("POST", TOKEN_PATH, wrong, {**FORM, "client-request-id": asked})
    refusal = answer.json
    assert refusal["error_codes"] == [7000215]
    assert refusal["error_description"].startswith("AADSTS7000215: ")
    assert refusal["correlation_id"] == asked
    assert refusal["trace_id"] == answer.header("x-ms-request-id")
    assert abs(datetime.strptime(refusal["timestamp"], "%Y-%m-%d %H:%M:%S%z") - datetime.now(UTC)) < timedelta(
        minutes=1
    )
    forged = await stubbed.anonymous.request("POST", TOKEN_PATH, wrong, {**FORM, "client-request-id": "two words"})
    assert forged.json["correlation_id"] == forged.json["trace_id"]


@pytest.mark.parametrize(
    ("tenant", "changes", "number"),
    [
        (TENANT, {"scope": "x"}, 70011),
        (TENANT, {"grant_type": "password"}, 70003),
        (TENANT, {"client_id": None}, 9002313),
        ("common", {}, 90002),
    ],
)
async def test_each_refusal_has_entras_number(
    stubbed: Stubbed, tenant: str, changes: dict[str, str | None], number: int
) -> None:
    path = f"/{tenant}/oauth2/v2.0/token"
    refusal = (await stubbed.anonymous.request("POST", path, form(stubbed, **changes), FORM)).json
    assert refusal["error_codes"] == [number]
    assert refusal["error_description"].startswith(f"AADSTS{number}: ")


async def test_only_forms_are_read(stubbed: Stubbed) -> None:
    answer = await stubbed.anonymous.request("POST", TOKEN_PATH, form(stubbed), {"Content-Type": "application/json"})
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")
    assert (await stubbed.anonymous.request("POST", TOKEN_PATH, b"x" * 20_000, FORM)).status == 413


async def test_another_tenant_is_told_the_right_one(stubbed: Stubbed) -> None:
    for path in ("oauth2/v2.0/token", "v2.0/.well-known/openid-configuration", "discovery/v2.0/keys"):
        method = "POST" if path.endswith("token") else "GET"
        answer = await stubbed.anonymous.request(
            method, f"/common/{path}", form(stubbed) if method == "POST" else None, FORM
        )
        assert (answer.status, answer.json["error"]) == (400, "invalid_request")
        assert TENANT in answer.json["error_description"]


async def test_discovery_leads_to_the_token_endpoint_and_the_keys(stubbed: Stubbed) -> None:
    anonymous = stubbed.anonymous
    found = (await anonymous.request("GET", f"/{TENANT}/v2.0/.well-known/openid-configuration")).json
    assert found["token_endpoint"] == anonymous.url + TOKEN_PATH
    assert found["issuer"] == f"{anonymous.url}/{TENANT}/v2.0"
    keys = (await anonymous.request("GET", found["jwks_uri"].removeprefix(anonymous.url))).json["keys"]
    assert [key["kty"] for key in keys] == ["OKP"]
    assert all("d" not in key for key in keys)


@pytest.mark.parametrize("guess", [{"client_secret": "wrong"}, {"client_id": "anybody-{0}"}, {"client_id": "%00{0}"}])
async def test_a_right_secret_is_never_refused_for_wrong_ones_from_the_same_address(
    stubbed: Stubbed, guess: dict[str, str]
) -> None:
    statuses = []
    for number in range(40):
        wrong = form(stubbed, **{name: text.format(number) for name, text in guess.items()})
        statuses.append((await stubbed.anonymous.request("POST", TOKEN_PATH, wrong, FORM)).status)
        if number % 13 == 0:
            assert (await stubbed.anonymous.request("POST", TOKEN_PATH, form(stubbed), FORM)).status == 200
    assert statuses[-1] == 429
    assert (await stubbed.anonymous.request("POST", TOKEN_PATH, form(stubbed), FORM)).status == 200
    stubbed.clock.move(3600)


async def test_guessing_is_slowed_down_and_then_forgotten(stubbed: Stubbed) -> None:
    wrong = form(stubbed, client_secret="wrong")
    statuses = [(await stubbed.anonymous.request("POST", TOKEN_PATH, wrong, FORM)).status for _ in range(25)]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    answer = await stubbed.anonymous.request("POST", TOKEN_PATH, wrong, FORM)
    stubbed.clock.move(int(answer.header("retry-after") or 0) + 60)
    assert (await stubbed.anonymous.request("POST", TOKEN_PATH, wrong, FORM)).status == 401
    stubbed.clock.move(3600)
