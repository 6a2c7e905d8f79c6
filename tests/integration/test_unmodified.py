"""Programs that use Azure's SDK and log in here without a change: by environment variables alone, all checks on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.embedded.postgres import EmbeddedPostgres
from tests.support.certificates import make_client_certificate, public_part
from tests.support.unmodified import HOST, READ, Domain, in_a_domain


@pytest.fixture(scope="module")
async def domain(postgres_server: EmbeddedPostgres) -> AsyncIterator[Domain]:
    """An installation whose tenant is called ``adfs``."""
    async with in_a_domain(postgres_server.dsn, tenant_name="adfs") as made:
        await made.installation.service.set_secret("greeting", "hello")
        yield made


async def environ(domain: Domain, client_id: str) -> dict[str, str]:
    return {
        "AZURE_AUTHORITY_HOST": f"https://{HOST}",
        "AZURE_TENANT_ID": "adfs",
        "AZURE_CLIENT_ID": client_id,
        "AZURE_CLIENT_SECRET": await domain.installation.register(client_id),
    }


@pytest.mark.parametrize("credential", ["EnvironmentCredential", "DefaultAzureCredential"])
async def test_by_the_name_adfs_no_one_at_microsoft_is_asked(domain: Domain, credential: str) -> None:
    given = await environ(domain, f"adfs-{credential}".lower())
    code, out, errors = await domain.runs(READ.format(credential=credential, name="greeting"), **given)
    assert (code, out) == (0, "hello"), errors
    assert domain.tunnel.refused == []


async def test_the_tenants_guid_is_looked_up_at_microsoft_which_is_why_the_name_exists(domain: Domain) -> None:
    given = await environ(domain, "by-guid") | {"AZURE_TENANT_ID": domain.installation.tenant}
    code, _, _ = await domain.runs(READ.format(credential="EnvironmentCredential", name="greeting"), **given)
    assert code == 1
    assert domain.tunnel.refused[-1] == "login.microsoftonline.com:443"
    domain.tunnel.refused.clear()


@pytest.mark.parametrize("credential", ["EnvironmentCredential", "DefaultAzureCredential"])
async def test_a_registered_certificate_logs_in_by_the_name_adfs(
    domain: Domain, credential: str, tmp_path: Path
) -> None:
    file, client_id = make_client_certificate(tmp_path), f"certified-{credential}".lower()
    service = domain.installation.service
    await service.client_credentials.certify(client_id, name="own", certificate=public_part(file))
    await service.grant_access("greeting", client_id, ["get"])
    given = {"AZURE_AUTHORITY_HOST": f"https://{HOST}", "AZURE_TENANT_ID": "adfs", "AZURE_CLIENT_ID": client_id}
    program = READ.format(credential=credential, name="greeting")
    code, out, errors = await domain.runs(program, AZURE_CLIENT_CERTIFICATE_PATH=str(file), **given)
    assert (code, out) == (0, "hello"), errors
    assert domain.tunnel.refused == []
    await service.client_credentials.remove(client_id, "own")
    code, _, errors = await domain.runs(program, AZURE_CLIENT_CERTIFICATE_PATH=str(file), **given)
    assert code == 1
    assert "AADSTS700027" in errors


ENDPOINT = f"https://{HOST}/msi/token"
NAMES = [("IDENTITY_ENDPOINT", "IDENTITY_HEADER"), ("MSI_ENDPOINT", "MSI_SECRET")]
"""Of the present version of the protocol, and of the former one."""


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("credential", ["ManagedIdentityCredential", "DefaultAzureCredential"])
async def test_as_a_managed_identity_of_the_server(domain: Domain, names: tuple[str, str], credential: str) -> None:
    client_id = f"{names[1]}-{credential}".lower().replace("_", "-")
    secret = await domain.installation.register(client_id)
    given = {names[0]: ENDPOINT, names[1]: f"{client_id}:{secret}"}
    code, out, errors = await domain.runs(READ.format(credential=credential, name="greeting"), **given)
    assert (code, out) == (0, "hello"), errors
    assert domain.tunnel.refused == []


@pytest.mark.parametrize("names", NAMES)
async def test_a_wrong_header_is_told_by_the_sdk_in_the_servers_words(domain: Domain, names: tuple[str, str]) -> None:
    program = READ.format(credential="ManagedIdentityCredential", name="greeting")
    code, _, errors = await domain.runs(program, **{names[0]: ENDPOINT, names[1]: "nobody:wrong"})
    assert code == 1
    assert "The client id or the client secret is wrong." in errors
