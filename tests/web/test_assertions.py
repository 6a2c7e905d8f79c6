"""Applications that log in without a secret: Azure's own credentials, over TLS, and forms that are none."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CertificateCredential, ClientAssertionCredential, WorkloadIdentityCredential
from azure.keyvault.secrets import SecretClient

from holdfast.auth.certified import UNKNOWN_NAME
from holdfast.config import Settings
from holdfast.crypto.certificates import ServerCertificate
from holdfast.crypto.keyring import generate_key
from tests.support.certificates import make_client_certificate, public_part, signed_by
from tests.support.folders import short_folder
from tests.support.https import Client, Response
from tests.support.installation import Installation, installed
from tests.support.issuer import LocalIssuer, local_issuer
from tests.support.node import rows

SUBJECT = "system:serviceaccount:shop:api"
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class World:
    """A server that trusts one issuer, and one client of it, ``shop-api``."""

    installation: Installation
    issuer: LocalIssuer
    dsn: str
    folder: Path

    def assertion(self, **changes: object) -> str:
        return self.issuer.token({"sub": SUBJECT, "aud": "for-shop-api", **changes})

    async def ask(self, assertion: str, **changes: str | None) -> Response:
        """Ask the token endpoint, with usual parameters that may be replaced, or left out with None."""
        anonymous = Client(self.installation.port, self.installation.ca_file)
        usual: dict[str, str | None] = {
            "grant_type": "client_credentials",
            "client_id": "shop-api",
            "scope": f"https://{anonymous.authority}/.default",
            "client_assertion_type": JWT_BEARER,
            "client_assertion": assertion,
        }
        form = {name: value for name, value in {**usual, **changes}.items() if value is not None}
        path = f"/{self.installation.tenant}/oauth2/v2.0/token"
        return await anonymous.request("POST", path, urlencode(form).encode(), FORM)

    async def logged_in(self) -> Client:
        answer = await self.ask(self.assertion())
        assert answer.status == 200, answer.body
        return Client(self.installation.port, self.installation.ca_file, answer.json["access_token"])

    async def records(self) -> list[tuple[str, bool, str, str]]:
        return await rows(
            self.dsn,
            "SELECT user_id, success, coalesce(detail, ''), coalesce(error_message, '') FROM secret_access_logs "
            "WHERE operation = 'login' ORDER BY id",
        )


@pytest.fixture
async def world(database_url: str, tmp_path: Path, certificate: ServerCertificate) -> AsyncIterator[World]:
    with short_folder() as folder:
        async with local_issuer(folder) as issuer:
            file = tmp_path / "issuers.toml"
            file.write_text(
                f'[[issuer]]\nname = "k8s"\nissuer = "{issuer.url}"\naudiences = ["holdfast"]\n'
                f'ca_file = "{issuer.ca_file}"\n'
            )
            settings = Settings(
                database_url=database_url,
                encryption_key=generate_key(),
                data_dir=tmp_path,
                oidc_issuers=file,
                tls_hosts=("V.kv.example",),
            )
            async with installed(settings, certificate) as installation:
                service = installation.service
                await service.set_secret("db", "v")
                await service.grant_access("db", "shop-api", ["get"])
                await service.client_credentials.federate(
                    "shop-api", name="prod", issuer=issuer.url, subject=SUBJECT, audience="for-shop-api"
                )
                yield World(installation, issuer, database_url, tmp_path)


async def test_azures_workload_identity_logs_in_unmodified(world: World) -> None:
    file = world.folder / "token"
    file.write_text(world.assertion())
    ca, installation = str(world.installation.ca_file), world.installation
    options = {"authority": installation.url, "disable_instance_discovery": True, "connection_verify": ca}

    def read(credential: ClientAssertionCredential) -> str | None:
        rest = {"verify_challenge_resource": False, "connection_verify": ca, "retry_total": 0}
        with credential, SecretClient(installation.url, credential, **rest) as client:
            return client.get_secret("db").value

    workload = WorkloadIdentityCredential(
        tenant_id=installation.tenant, client_id="shop-api", token_file_path=str(file), **options
    )
    assert await asyncio.to_thread(read, workload) == "v"
    asserted = ClientAssertionCredential(installation.tenant, "shop-api", world.assertion, **options)
    assert await asyncio.to_thread(read, asserted) == "v"
    refused = ClientAssertionCredential(
        installation.tenant, "shop-api", lambda: world.assertion(sub="else"), retry_total=0, **options
    )
    with pytest.raises(ClientAuthenticationError, match="AADSTS70021"):
        await asyncio.to_thread(read, refused)


async def test_azures_certificate_credential_logs_in_again_with_what_it_signed_once(world: World) -> None:
    """It shows one assertion for nine minutes: an answer that was lost must not lock the client out until then."""
    file, installation = make_client_certificate(world.folder), world.installation
    await installation.service.client_credentials.certify("shop-api", name="own", certificate=public_part(file))
    credential = CertificateCredential(
        installation.tenant,
        "shop-api",
        str(file),
        authority=installation.url,
        disable_instance_discovery=True,
        connection_verify=str(installation.ca_file),
        retry_total=0,
    )
    scope = f"{installation.url}/.default"

    def twice() -> list[str]:
        with credential:
            return [credential.get_token(scope, claims=claims, enable_cae=False).token for claims in (None, "{}")]

    for token in await asyncio.to_thread(twice):
        client = Client(installation.port, installation.ca_file, token)
        assert (await client.request("GET", "/secrets/db?api-version=7.4")).status == 200
    found = await world.records()
    assert [detail for _, _, detail, _ in found] == ["certificate credential own"] * 2
    assert await rows(world.dsn, "SELECT count(*) FROM used_assertions") == [(1,)]


async def test_what_was_signed_for_another_server_is_of_no_use_here(world: World) -> None:
    """Whoever runs that server has seen it, and sends its name as the host."""
    file, installation = make_client_certificate(world.folder), world.installation
    await installation.service.client_credentials.certify("shop-api", name="own", certificate=public_part(file))
    for host, status in (("test.example", 401), ("v.kv.example", 200)):
        endpoint = f"https://{host}/{installation.tenant}/oauth2/v2.0/token"
        form = {
            "grant_type": "client_credentials",
            "client_id": "shop-api",
            "scope": f"https://{host}/.default",
            "client_assertion_type": JWT_BEARER,
            "client_assertion": signed_by(file, "shop-api", endpoint),
        }
        caller = Client(installation.port, installation.ca_file, host=host)
        answer = await caller.request("POST", endpoint.partition(host)[2], urlencode(form).encode(), FORM)
        assert answer.status == status, answer.body
        assert status == 200 or answer.json["error_codes"] == [700023]
    assert [(success, error) for _, success, _, error in await world.records()] == [(False, UNKNOWN_NAME), (True, "")]


async def test_every_attempt_is_on_record_with_its_reason_and_no_part_of_the_assertion(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await world.logged_in()
    right = world.assertion(sub="c4n4ry-subject")
    for assertion in (right, "c4n4ry", right[:-8] + "AAAAAAAA"):
        answer = await world.ask(assertion)
        assert (answer.status, answer.json["error"]) == (401, "invalid_client")
        assert b"c4n4ry" not in answer.body
    found = await world.records()
    assert [(user, success) for user, success, _, _ in found] == [("shop-api", True)] + [("shop-api", False)] * 3
    assert found[0][2] == "federated credential prod"
    assert [reason for *_, reason in found[1:]] == [
        "No federated credential of the client has the assertion's subject.",
        "The assertion is malformed.",
        "The assertion does not hold: The access token is not one that a trusted issuer signed.",
    ]
    for (line,) in await rows(world.dsn, "SELECT l::text FROM secret_access_logs l WHERE operation = 'login'"):
        assert "c4n4ry" not in line
        assert right.split(".")[1] not in line
    said = "\n".join(each.getMessage() for each in caplog.records if each.name.startswith("holdfast"))
    assert "c4n4ry" not in said
    assert right.split(".")[1] not in said


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"sub": "else"}, 70021),
        ({"aud": "else"}, 70021),
        ({"aud": "holdfast"}, 70021),
        ({"iss": "https://evil.example"}, 70021),
        ({"exp": 1}, 50013),
    ],
)
async def test_refusals_have_entras_numbers(world: World, changes: dict[str, object], number: int) -> None:
    answer = await world.ask(world.assertion(**changes))
    assert (answer.status, answer.json["error_codes"]) == (401, [number])
    assert answer.json["error_description"].startswith(f"AADSTS{number}: ")


async def test_an_unknown_client_is_answered_as_a_known_one(world: World) -> None:
    known, unknown = await world.ask(world.assertion(sub="x")), await world.ask(world.assertion(), client_id="else")
    texts = [(each.status, each.json["error_description"], sorted(each.json)) for each in (known, unknown)]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_assertion_type": None}, "invalid_request"),
        ({"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}, "invalid_request"),
        ({"client_assertion": None}, "invalid_request"),
        ({"client_assertion": ""}, "invalid_request"),
        ({"client_id": None}, "invalid_request"),
        ({"client_secret": "both"}, "invalid_request"),
        ({"scope": "https://vault.azure.net/.default"}, "invalid_scope"),
        ({"scope": None}, "invalid_scope"),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}, "unsupported_grant_type"),
    ],
)
async def test_forms_that_are_none_are_refused(world: World, changes: dict[str, str | None], error: str) -> None:
    answer = await world.ask(world.assertion(), **changes)
    assert (answer.status, answer.json["error"]) == (400, error)
    assert await world.records() == []


async def test_an_assertion_and_basic_are_two_ways(world: World) -> None:
    anonymous = Client(world.installation.port, world.installation.ca_file)
    body = urlencode(
        {"grant_type": "client_credentials", "client_assertion": world.assertion(), "resource": "x"}
    ).encode()
    headers = {**FORM, "Authorization": "Basic YTpi"}
    answer = await anonymous.request("POST", f"/{world.installation.tenant}/oauth2/token", body, headers)
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")


async def test_guessing_is_slowed_down_and_a_right_assertion_never(world: World) -> None:
    for _ in range(30):
        last = await world.ask(world.assertion(sub="guess"))
    assert last.status == 429
    assert int(last.header("retry-after") or 0) > 0
    await world.logged_in()
    assert len(await world.records()) < 30


async def test_an_issuer_without_keys_is_no_ones_fault(world: World) -> None:
    world.issuer.down = True
    answer = await world.ask(world.assertion())
    assert (answer.status, answer.json["error"]) == (503, "temporarily_unavailable")


@pytest.mark.parametrize("ended", ["the credential", "the client", "disabled", "the identity"])
async def test_i6_tokens_end_with_what_they_were_given_for(world: World, ended: str) -> None:
    service, client = world.installation.service, await world.logged_in()
    path = "/secrets/db?api-version=7.4"
    assert (await client.request("GET", path)).status == 200
    if ended == "the credential":
        assert await service.client_credentials.remove("shop-api", "prod")
        await service.client_credentials.federate(
            "shop-api", name="prod", issuer=world.issuer.url, subject=SUBJECT, audience="for-shop-api"
        )
    elif ended == "the client":
        assert await service.remove_client("shop-api")
    elif ended == "disabled":
        await service.identities.disable("shop-api")
    else:
        await service.identities.remove("shop-api")
    assert (await client.request("GET", path)).status == 401
    assert (await world.ask(world.assertion())).status == (200 if ended == "the credential" else 401)


async def test_whom_the_issuer_vouches_for_may_be_disabled_here(world: World) -> None:
    service = world.installation.service
    before, path = await world.logged_in(), "/secrets/db?api-version=7.4"
    await service.identities.add(f"k8s:{SUBJECT}")
    assert (await before.request("GET", path)).status == 200
    await service.identities.disable(f"k8s:{SUBJECT}")
    assert (await before.request("GET", path)).status == 401
    assert (await world.ask(world.assertion())).status == 401
    await service.identities.enable(f"k8s:{SUBJECT}")
    await world.logged_in()


async def test_a_secret_works_beside_it_and_both_are_one_client(world: World) -> None:
    service = world.installation.service
    secret = await service.add_client("shop-api")
    by_secret = await world.installation.client("shop-api", secret)
    assert (await by_secret.request("GET", "/secrets/db?api-version=7.4")).status == 200
    await world.logged_in()
    assert [each.client_id for each in await service.list_clients()] == ["shop-api"]


async def test_credentials_are_managed_over_the_api(world: World) -> None:
    service = world.installation.service
    await service.identities.add("boss")
    await service.access.assign_role("boss", "admin", "*")
    token = (await service.tokens.create("boss")).token
    boss = Client(world.installation.port, world.installation.ca_file, token)
    path, json_ = "/v1/clients/shop-api/credentials", {"Content-Type": "application/json"}
    terms = {"name": "github", "issuer": "https://a.example", "subject": "repo:a/b:ref:main", "audience": "x"}
    made = await boss.request("POST", f"{path}:federate", json.dumps(terms).encode(), json_)
    assert made.status == 201, made.body
    assert {name: made.json[name] for name in terms} == terms
    assert made.json["trusted"] is False, "which is a warning and no refusal"
    again = await boss.request("POST", f"{path}:federate", json.dumps(terms).encode(), json_)
    assert again.status == 409
    listed = await boss.request("GET", path)
    assert [(each["name"], each["trusted"]) for each in listed.json["items"]] == [("github", False), ("prod", True)]
    assert (await boss.request("DELETE", f"{path}/github")).json == {"removed": True}
    assert (await boss.request("DELETE", f"{path}/github")).json == {"removed": False}
    for wrong in ({"issuer": "http://a.example"}, {"subject": ""}, {"audience": "a\nb"}, {"name": "A b"}):
        bad = await boss.request("POST", f"{path}:federate", json.dumps({**terms, **wrong}).encode(), json_)
        assert bad.status == 400, bad.body
