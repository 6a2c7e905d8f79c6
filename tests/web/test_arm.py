"""The resource manager over TLS: who is told what, how it refuses, and what is on record of it."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from holdfast.config import Settings
from holdfast.crypto.certificates import ServerCertificate
from holdfast.crypto.keyring import generate_key
from holdfast.embedded.postgres import EmbeddedPostgres
from holdfast.errors import LeaseExpired, SecretNotFound
from holdfast.keyvault_wire.arm_routes import PATHS, Question
from holdfast.web.app import create_app
from holdfast.web.rates import Rates
from tests.support.asgi import ask
from tests.support.clock import VirtualClock
from tests.support.folders import short_folder
from tests.support.https import Client, Response
from tests.support.installation import Installation, installed
from tests.support.node import rows
from tests.support.postgres import fresh_database
from tests.web.conftest import Stubbed

HOST = "v.kv.example"
V = "?api-version=2022-09-01"
OPEN = f"/metadata/endpoints{V}"


@dataclass(frozen=True)
class Cloud:
    """An installation whose vault is ``v``; ``stranger`` has a login and no right, ``passer`` has neither."""

    installation: Installation
    stranger: Client
    passer: Client

    def path(self, template: str) -> str:
        """A path of the resource manager about what is here."""
        return f"/{template}{V}".format(subscription=self.installation.tenant, group="holdfast", vault="v")


@pytest.fixture(scope="module")
async def cloud(postgres_server: EmbeddedPostgres, certificate: ServerCertificate) -> AsyncIterator[Cloud]:
    with short_folder() as folder:
        async with fresh_database(postgres_server.dsn) as dsn:
            settings = Settings(
                database_url=dsn, encryption_key=generate_key(), data_dir=folder, resource="https://kv.example"
            )
            async with installed(settings, certificate) as installation:
                secret = await installation.register("stranger", ())
                passer = Client(installation.port, installation.ca_file, host=HOST)
                yield Cloud(installation, replace(passer, token=await _token(passer, installation, secret)), passer)


async def _token(passer: Client, installation: Installation, secret: str) -> str:
    """As the documents lead a client there, for the address of the resource manager as Terraform asks for it."""
    endpoints = (await passer.request("GET", OPEN)).json
    scope = f"{endpoints['resourceManager']}/.default"
    form = f"grant_type=client_credentials&client_id=stranger&client_secret={secret}&scope={scope}"
    login = f"{endpoints['authentication']['loginEndpoint']}/{installation.tenant}/oauth2/v2.0/token"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await passer.request("POST", login.removeprefix(f"https://{HOST}"), form.encode(), headers)
    return str(answer.json["access_token"])


async def recorded(cloud: Cloud, answer: Response) -> list[tuple[object, ...]]:
    return await rows(
        str(cloud.installation.settings.database_url),
        "SELECT user_id, operation, success, error_code FROM secret_access_logs WHERE request_id = $1",
        answer.header("x-ms-request-id"),
    )


async def test_from_the_open_document_to_the_vault(cloud: Cloud) -> None:
    """As `az login` and Terraform go; whoever has a login may look, and it is on record."""
    tenants = await cloud.stranger.request("GET", f"/tenants{V}")
    subscriptions = await cloud.stranger.request("GET", f"/subscriptions{V}")
    (subscription,) = subscriptions.json["value"]
    assert [each["tenantId"] for each in tenants.json["value"]] == [subscription["tenantId"]]
    listed = await cloud.stranger.request("GET", f"{subscription['id']}/resources{V}")
    (found,) = listed.json["value"]
    vault = await cloud.stranger.request("GET", f"{found['id']}{V}")
    assert vault.json["properties"]["vaultUri"] == f"https://{HOST}/"
    assert vault.json["properties"]["tenantId"] == cloud.installation.tenant
    assert vault.json["properties"]["softDeleteRetentionInDays"] == cloud.installation.settings.retention_days
    for answer in (tenants, subscriptions, listed, vault):
        assert await recorded(cloud, answer) == [("stranger", "whoami", True, None)]


async def test_what_needs_no_token_says_what_everybody_is_told_anyway(cloud: Cloud) -> None:
    document = await cloud.passer.request("GET", OPEN)
    challenge = (await cloud.passer.request("GET", f"/secrets/x{V}")).header("www-authenticate") or ""
    assert document.json["authentication"]["audiences"][0] in challenge
    assert document.header("cache-control") == "no-cache, no-store"
    assert cloud.installation.tenant not in document.body.decode()
    assert await recorded(cloud, document) == []


@pytest.mark.parametrize("template", [path for path, question in PATHS.items() if question is not Question.ENDPOINTS])
@pytest.mark.parametrize("authorization", [None, "Bearer x", "Basic eDp5"])
async def test_all_else_needs_one_and_the_challenge_says_where(
    cloud: Cloud, template: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    for method in ("GET", "PUT"):
        answer = await cloud.passer.request(method, cloud.path(template), None, headers)
        assert (answer.status, answer.codes) == (401, ("AuthenticationFailed", None))
        authority = f"https://{HOST}/{cloud.installation.tenant}"
        assert (answer.header("www-authenticate") or "").startswith(f'Bearer authorization_uri="{authority}", error=')
        assert cloud.installation.url not in answer.body.decode()


@pytest.mark.parametrize("target", [f"/tenants{V}", f"/secrets/x{V}"])
async def test_both_challenges_name_the_issuer_that_was_chosen(stubbed: Stubbed, target: str) -> None:
    entra = "https://login.microsoftonline.com/0b0e2dbf-ab1b-4b43-a7f9-6f5a3ed2f3b4"
    app = create_app(replace(stubbed.parts, authority=entra))
    _, headers, _ = await ask(app, replace(stubbed.anonymous, host=HOST), target, {})
    challenge = dict(headers)[b"www-authenticate"].decode()
    assert f'="{entra}", ' in challenge
    assert HOST not in challenge


async def test_a_token_for_another_host_is_no_good(cloud: Cloud) -> None:
    elsewhere = replace(cloud.stranger, host=f"127.0.0.1:{cloud.stranger.port}")
    assert (await elsewhere.request("GET", f"/tenants{V}")).status == 401


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE", "HEAD"])
async def test_nothing_can_be_changed(cloud: Cloud, method: str) -> None:
    for template in PATHS:
        answer = await cloud.stranger.request(method, cloud.path(template), {"properties": {}})
        assert (answer.status, answer.header("allow")) == (405, "GET")
        assert method == "HEAD" or answer.json["error"] == {
            "code": "MethodNotAllowed",
            "message": f"HTTP {method} not allowed: this resource manager is read-only.",
        }


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        ("/subscriptions", 400, "MissingApiVersionParameter"),
        ("/subscriptions?api-version=x", 400, "InvalidApiVersionParameter"),
        (f"/subscriptions/x{V}", 404, "ResourceNotFound"),
        (f"/subscriptions/x/locations{V}", 404, "NotFound"),
        (f"/subscriptions/%2e%2e/secrets{V}", 404, "NotFound"),
        (f"/subscriptions/x%0a{V}", 404, "NotFound"),
        (f"/subscriptions/{'x' * 4000}{V}", 404, "NotFound"),
        (f"/subscriptions/x/resources{V}&$filter=%00", 400, "InvalidFilterInQueryString"),
        (f"/subscriptions/x/resources{V}&$filter=" + "'" * 8000, 400, "InvalidFilterInQueryString"),
        (f"/tenants{V}&api-version=2020-01-01", 400, "BadParameter"),
        (f"/tenants{V}&access_token=x", 400, "BadParameter"),
    ],
)
async def test_bad_input_is_refused_in_the_managers_shape(cloud: Cloud, target: str, status: int, code: str) -> None:
    answer = await cloud.stranger.request("GET", target)
    assert (answer.status, answer.codes) == (status, (code, None))


@pytest.mark.parametrize(("name", "given"), [("subscription", "v"), ("subscription", "holdfast"), ("group", "v")])
async def test_a_wrong_id_is_found_out_where_it_is_right_for_something_else(
    cloud: Cloud, name: str, given: str
) -> None:
    ids = {"subscription": cloud.installation.tenant, "group": "holdfast", "vault": "v", name: given}
    for template in PATHS:
        if f"{{{name}}}" in template:
            answer = await cloud.stranger.request("GET", f"/{template}{V}".format(**ids))
            assert (answer.status, answer.codes) == (404, ("ResourceNotFound", None)), template


@pytest.mark.parametrize("host", ["", "127.0.0.1:8200", "localhost", "[::1]:8200", "my.vault.azure.net"])
async def test_under_a_name_that_no_vault_can_have_there_is_no_manager(cloud: Cloud, host: str) -> None:
    answer = await replace(cloud.passer, host=host).request("GET", OPEN)
    assert (answer.status, answer.codes) == (404, ("NotFound", None))
    assert "HOLDFAST_RESOURCE" in answer.json["error"]["message"]


@pytest.mark.parametrize("host", ["a b", "a/b", "x" * 300, "[::::]", "[1.2.3.4]:8200"])
async def test_a_host_that_is_none_is_bad_input(cloud: Cloud, host: str) -> None:
    for target in (OPEN, f"/tenants{V}"):
        answer = await replace(cloud.stranger, host=host).request("GET", target)
        assert (answer.status, answer.codes) == (400, ("BadParameter", None))


async def test_i6_an_identity_that_is_gone_is_told_nothing(cloud: Cloud) -> None:
    secret = await cloud.installation.register("leaver", ())
    leaver = await cloud.installation.client("leaver", secret)
    assert (await leaver.request("GET", f"/tenants{V}")).codes[0] == "NotFound", "let in, under a name without a vault"
    await cloud.installation.service.remove_client("leaver")
    assert (await leaver.request("GET", f"/tenants{V}")).codes[0] == "AuthenticationFailed"


async def test_i14_it_counts_towards_the_rate_of_an_identity(stubbed: Stubbed) -> None:
    stubbed.service.error = SecretNotFound("x")
    app = create_app(replace(stubbed.parts, rates=Rates(1, 2, VirtualClock().monotonic)))
    answers = [await ask(app, stubbed.client, f"/tenants{V}", {}) for _ in range(3)]
    assert [status for status, _, _ in answers] == [404, 404, 429]
    assert json.loads(answers[2][2])["error"]["code"] == "Throttled"


async def test_a_node_that_may_not_decide_tells_nothing(stubbed: Stubbed) -> None:
    stubbed.service.error = LeaseExpired("x")
    answer = await stubbed.client.request("GET", f"/subscriptions{V}")
    assert (answer.status, answer.codes) == (503, ("ServiceUnavailable", None))
    assert answer.header("retry-after")
