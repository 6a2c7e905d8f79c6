"""Applications with tokens of Entra ID: the challenge sends Azure's credentials there, all checks on."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.embedded.postgres import EmbeddedPostgres
from tests.support.entra import HOST as LOGIN
from tests.support.entra import ISSUERS, OID, TENANT, Entra, entra
from tests.support.folders import short_folder
from tests.support.https import Client
from tests.support.node import rows
from tests.support.unmodified import DOMAIN, HOST, READ, Domain, in_a_domain

RESOURCE = f"https://{DOMAIN}"
GUID = "6f1f2c54-0000-4000-8000-000000000001"
AZURES = [
    "https://vault.azure.net",
    "https://vault.azure.net/",
    "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
    "https://management.azure.com",
    "api://AzureADTokenExchange",
    f"{RESOURCE}/",
    RESOURCE.upper(),
]


class Stage:
    """An installation that trusts a stand-in for Entra ID, for tokens of one version."""

    def __init__(self, domain: Domain, standin: Entra, folder: Path) -> None:
        self.domain, self.entra, self.folder = domain, standin, folder
        server = standin.server
        port = int(server.url.rpartition(":")[2])
        domain.tunnel.ports = {**domain.tunnel.ports, f"{LOGIN}:443": port, f"127.0.0.1:{port}": port}
        self.cas = folder / "cas.pem"
        self.cas.write_bytes(domain.installation.ca_file.read_bytes() + server.ca_file.read_bytes())

    async def reads(self, credential: str, **environ: str) -> tuple[int, str, str]:
        program = READ.format(credential=credential, name="greeting")
        return await self.domain.runs(program, REQUESTS_CA_BUNDLE=str(self.cas), **environ)

    @property
    def workload(self) -> dict[str, str]:
        """What the webhook of AKS sets in a pod."""
        file = self.folder / "token"
        file.write_text("a-token-of-the-cluster")
        return {"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": GUID, "AZURE_FEDERATED_TOKEN_FILE": str(file)}

    def client(self, token: str | None = None) -> Client:
        installation = self.domain.installation
        return Client(installation.port, installation.ca_file, token, host=HOST)


@pytest.fixture(scope="module", params=["1.0", "2.0"])
async def stage(request: pytest.FixtureRequest, postgres_server: EmbeddedPostgres) -> AsyncIterator[Stage]:
    with short_folder() as folder:
        async with entra() as standin:
            standin.version = request.param
            file = Path(folder) / "issuers.toml"
            file.write_text(
                f'[[issuer]]\nname = "entra"\nissuer = "{ISSUERS[request.param]}"\n'
                f'audiences = ["{RESOURCE}", "{GUID}"]\nidentity_claim = "oid"\n'
                f'jwks_uri = "{standin.server.url}/keys"\nca_file = "{standin.server.ca_file}"\n'
                f'[issuer.required_claims]\ntid = "{TENANT}"\n'
            )
            async with in_a_domain(postgres_server.dsn, oidc_issuers=file, challenge="entra") as domain:
                service = domain.installation.service
                await service.set_secret("greeting", "hello")
                await service.grant_access("greeting", f"entra:{OID}", ["get"])
                yield Stage(domain, standin, Path(folder))


@pytest.mark.parametrize("credential", ["WorkloadIdentityCredential", "DefaultAzureCredential"])
async def test_a_workload_gets_its_token_from_entra(stage: Stage, credential: str) -> None:
    stage.entra.asked.clear()
    code, out, errors = await stage.reads(credential, **stage.workload)
    assert (code, out) == (0, "hello"), errors
    assert stage.entra.asked == [RESOURCE]
    assert stage.domain.tunnel.refused == []


@pytest.mark.parametrize("credential", ["ManagedIdentityCredential", "DefaultAzureCredential"])
async def test_a_managed_identity_gets_its_token_from_the_platform(stage: Stage, credential: str) -> None:
    platform = {"IDENTITY_ENDPOINT": f"{stage.entra.server.url}/msi/token", "IDENTITY_HEADER": "x"}
    code, out, errors = await stage.reads(credential, **platform)
    assert (code, out) == (0, "hello"), errors


async def test_the_challenge_names_entras_tenant(stage: Stage) -> None:
    answer = await stage.client().request("GET", "/secrets/greeting?api-version=7.4")
    assert answer.header("www-authenticate") == (
        f'Bearer authorization="https://login.microsoftonline.com/{TENANT}", resource="{RESOURCE}"'
    )


async def test_an_audience_of_version_2_is_the_applications_own_id(stage: Stage) -> None:
    """Entra writes that instead of the resource that was asked for."""
    answer = await stage.client(stage.entra.token(GUID)).request("GET", "/secrets/greeting?api-version=7.4")
    assert answer.status == 200


@pytest.mark.parametrize("audience", AZURES)
async def test_a_token_for_another_resource_is_refused_and_forgotten(
    stage: Stage, audience: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = stage.entra.token(audience, appid="c4n4ry-application")
    answer = await stage.client(token).request("GET", "/secrets/greeting?api-version=7.4")
    assert answer.status == 401
    dsn = stage.domain.installation.settings.database_url or ""
    kept = [text for (text,) in await rows(dsn, "SELECT l::text FROM secret_access_logs l ORDER BY id DESC LIMIT 5")]
    said = "".join([*kept, caplog.text, answer.body.decode(), str(answer.headers)])
    for part in ("c4n4ry", *token.split(".")):
        assert part not in said
    assert "login" in kept[0]


async def test_a_client_with_a_secret_logs_in_here_by_hand(stage: Stage) -> None:
    """The token endpoint stays; it is the challenge alone that leads elsewhere."""
    installation = stage.domain.installation
    secret = await installation.register(f"by-hand-{stage.entra.version[0]}")
    assert (await installation.client(f"by-hand-{stage.entra.version[0]}", secret)).token
