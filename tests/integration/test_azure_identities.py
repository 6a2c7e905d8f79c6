"""The node's own identity, each kind by azure-identity's real class against the endpoint that it goes to."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509

from holdfast.bootstrap.vault import node_tokens
from holdfast.config import AzureSettings, Identity, Settings
from holdfast.crypto.client_certificates import read_client_certificate
from holdfast.errors import BackendRefused, BackendUnavailable, ConfigurationError, Throttled
from holdfast.stores.keyvault.login import whom
from tests.support.azure_hosts import IdentityHost, registered
from tests.support.certificates import make_client_certificate
from tests.support.scripted_vault import CLIENT_ID, CLIENT_SECRET, TENANT, ScriptedVault

SCOPE = "https://vault.azure.net/.default"
FEDERATED = "e30.c4n4ry.federated"


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[ScriptedVault]:
    async with ScriptedVault() as vault:
        yield vault


@pytest.fixture
def vault(server: ScriptedVault) -> ScriptedVault:
    server.reset()
    server.assertion_fault = lambda _: 700027
    return server


def settings_of(vault: ScriptedVault | None, **changes: Any) -> Settings:
    """Those of a client without any proof yet; ``vault``: whose token endpoint is asked."""
    client: dict[str, Any] = {"tenant_id": TENANT, "client_id": CLIENT_ID, "data_dir": Path("/nowhere")}
    place = {} if vault is None else {"authority_host": vault.url, "keyvault_ca": vault.ca_file}
    return Settings(**{**client, **place, **changes})


async def token_for(settings: Settings) -> str:
    async with node_tokens(settings, "Key Vault") as tokens:
        return (await tokens.get_token_info(SCOPE)).token


async def refusal_of(settings: Settings, kind: type[BackendUnavailable] = BackendRefused) -> str:
    with pytest.raises(BackendUnavailable) as caught:
        await token_for(settings)
    assert type(caught.value) is kind, caught.value
    assert caught.value.certain
    assert "c4n4ry" not in str(caught.value)
    return str(caught.value)


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


# --- a client's secret


async def test_a_secret_in_a_file_is_read_again_when_it_changes(vault: ScriptedVault, tmp_path: Path) -> None:
    file = written(tmp_path / "secret", "former\n")
    async with node_tokens(settings_of(vault, client_secret_file=file), "Key Vault") as tokens:
        with pytest.raises(BackendRefused, match="by its secret"):
            await tokens.get_token_info(SCOPE)
        written(tmp_path / "new", f"{CLIENT_SECRET}\n").replace(file)
        assert await tokens.get_token_info(SCOPE)


@pytest.mark.parametrize("text", ["", " \n", "two words", "caf\u00e9", "a\nb", "x" * 300_000])
def test_what_is_no_secret_is_found_before_anything_is_asked(text: str, tmp_path: Path) -> None:
    settings = settings_of(None, client_secret_file=written(tmp_path / "secret", text))
    with pytest.raises(ConfigurationError, match="HOLDFAST_AZURE_CLIENT_SECRET_FILE must name a file"):
        node_tokens(settings, "Key Vault")


# --- a certificate


@pytest.mark.parametrize("password", [None, "p\u00e4ss word"])
async def test_a_certificate_signs_and_a_new_one_is_taken_up(
    vault: ScriptedVault, tmp_path: Path, password: str | None
) -> None:
    file = make_client_certificate(tmp_path, password)
    vault.assertion_fault = registered(file, f"{vault.url}/{TENANT}")
    settings = settings_of(vault, client_certificate=file, client_certificate_password=password)
    async with node_tokens(settings, "Key Vault") as tokens:
        first = await tokens.get_token_info(SCOPE)
        new = make_client_certificate(tmp_path, password, name="new.pem")
        vault.assertion_fault = registered(new, f"{vault.url}/{TENANT}")
        new.replace(file)
        assert (await tokens.get_token_info(SCOPE)).token != first.token


async def test_an_unregistered_certificate_is_told_with_its_code_and_its_file(
    vault: ScriptedVault, tmp_path: Path
) -> None:
    file = make_client_certificate(tmp_path)
    told = await refusal_of(settings_of(vault, client_certificate=file))
    assert "is not a registered one (AADSTS700027). Register" in told
    assert told.endswith(f"Asked as the client {CLIENT_ID} of the tenant {TENANT}, by the certificate in {file}.")


async def test_a_proof_that_is_too_old_is_told_as_that(vault: ScriptedVault, tmp_path: Path) -> None:
    """A node starts with it all the same: the mirror answers."""
    file = make_client_certificate(tmp_path, days=-1)
    assert "This certificate expired at 20" in await refusal_of(settings_of(vault, client_certificate=file))
    token = jwt.encode({"exp": 1_000_000_000}, "k" * 32, "HS256")
    file = written(tmp_path / "token", token)
    told = await refusal_of(settings_of(vault, federated_token_file=file))
    assert told.endswith(" This token expired at 2001-09-09 01:46 UTC.")
    assert token not in told


def test_what_may_be_told_of_a_certificate_in_either_form(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import NoEncryption, load_pem_private_key, pkcs12

    pem = make_client_certificate(tmp_path).read_bytes()
    certificate, key = x509.load_pem_x509_certificate(pem), load_pem_private_key(pem, None)
    bundle = pkcs12.serialize_key_and_certificates(None, key, certificate, None, NoEncryption())  # type: ignore[arg-type]  # it is RSA
    assert read_client_certificate(bundle) == read_client_certificate(pem)
    assert read_client_certificate(pem).expires_at == certificate.not_valid_after_utc


def certificates(folder: Path) -> dict[str, tuple[bytes, str | None]]:
    """Files that are no client's certificate, each with a password."""
    good, locked = make_client_certificate(folder), make_client_certificate(folder, "pw", name="locked.pem")
    other = make_client_certificate(folder, name="other.pem").read_bytes()
    key, _, certificate = good.read_bytes().partition(b"-----BEGIN CERTIFICATE")
    folder.joinpath("server").mkdir()
    from tests.support.certificates import make_authority

    make_authority(folder / "server")
    return {
        "is neither PEM nor PKCS #12": (b"\x00nothing", None),
        "holds no PEM certificate": (key, None),
        "holds no usable private key": (b"-----BEGIN CERTIFICATE" + certificate, None),
        "has an encrypted key": (locked.read_bytes(), None),
        "or the password is wrong": (locked.read_bytes(), "other"),
        "is not encrypted, but": (good.read_bytes(), "pw"),
        "a key that is not its certificate's": (key + other[other.index(b"-----BEGIN CERTIFICATE") :], None),
        "holds no RSA key": ((folder / "server" / "server.pem").read_bytes(), None),
    }


def test_what_is_no_certificate_is_refused_with_the_reason(tmp_path: Path) -> None:
    for reason, (data, password) in certificates(tmp_path).items():
        (tmp_path / "client").write_bytes(data)
        given = {"client_certificate": tmp_path / "client", "client_certificate_password": password}
        with pytest.raises(ConfigurationError, match=reason):
            node_tokens(settings_of(None, **given), "Key Vault")


# --- a federated token


async def test_a_federated_token_is_shown_as_it_is_at_that_time(vault: ScriptedVault, tmp_path: Path) -> None:
    file = written(tmp_path / "token", "e30.former.token\n")
    vault.assertion_fault = lambda shown: 0 if shown == FEDERATED else 700213
    async with node_tokens(settings_of(vault, federated_token_file=file), "Key Vault") as tokens:
        with pytest.raises(BackendRefused, match="no federated credential has this workload's subject") as caught:
            await tokens.get_token_info(SCOPE)
        assert "e30" not in str(caught.value)
        written(tmp_path / "new", FEDERATED).replace(file)
        assert await tokens.get_token_info(SCOPE)


async def test_a_federated_token_that_is_gone_is_told(vault: ScriptedVault, tmp_path: Path) -> None:
    file = written(tmp_path / "token", FEDERATED)
    async with node_tokens(settings_of(vault, federated_token_file=file), "Key Vault") as tokens:
        file.unlink()
        with pytest.raises(BackendUnavailable, match="AZURE_FEDERATED_TOKEN_FILE must name a readable file"):
            await tokens.get_token_info(SCOPE)
        assert not vault.calls["token"]


# --- a managed identity


@pytest.mark.parametrize("place", ["app_service", "machine"])
@pytest.mark.parametrize("client_id", [None, "99999999-1111-4222-8333-444444444444"])
async def test_a_managed_identity_is_asked_for_where_it_is(
    vault: ScriptedVault, monkeypatch: pytest.MonkeyPatch, place: str, client_id: str | None
) -> None:
    async with IdentityHost(vault, client_id or "") as host:
        for name, value in getattr(host, place)().items():
            monkeypatch.setenv(name, value)
        settings = settings_of(vault, tenant_id=None, client_id=client_id)
        assert await token_for(settings)
        (asked,) = host.asked
        assert (asked["resource"], asked.get("client_id")) == ("https://vault.azure.net", client_id)
        assert not vault.calls["token"], "no other endpoint is asked"


@pytest.mark.parametrize("place", ["app_service", "machine"])
@pytest.mark.parametrize(("client_id", "named"), [(None, "no identity of its own"), ("other-one", "no identity other")])
async def test_an_identity_that_the_machine_has_not_is_told(
    vault: ScriptedVault, monkeypatch: pytest.MonkeyPatch, place: str, client_id: str | None, named: str
) -> None:
    async with IdentityHost(vault, "99999999-1111-4222-8333-444444444444") as host:
        for name, value in getattr(host, place)().items():
            monkeypatch.setenv(name, value)
        told = await refusal_of(settings_of(vault, tenant_id=None, client_id=client_id))
        assert f"this machine has {named}" in told
        assert "(it answered 400). Assign one" in told


@pytest.mark.parametrize(("status", "kind"), [(429, Throttled), (503, BackendUnavailable), (200, BackendUnavailable)])
async def test_an_endpoint_in_trouble_is_no_refusal(
    vault: ScriptedVault, monkeypatch: pytest.MonkeyPatch, status: int, kind: type[BackendUnavailable]
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{vault.url}/managed-identity")
    monkeypatch.setenv("IDENTITY_HEADER", CLIENT_SECRET)
    vault.fail("token", status=status, body=b"<c4n4ry>")
    await refusal_of(settings_of(vault, tenant_id=None, client_id=None), kind)
    assert vault.calls["token"] == 1


async def test_no_machine_with_identities_is_told_with_what_else_there_is(
    vault: ScriptedVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1")
    told = await refusal_of(settings_of(vault, tenant_id=None, client_id=None), BackendUnavailable)
    assert "the system-assigned managed identity (a virtual machine's endpoint): the connection fails" in told
    assert "on a desk set HOLDFAST_AZURE_IDENTITY=developer" in told


async def test_managed_means_the_machines_own_also_next_to_a_federated_token(
    vault: ScriptedVault, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    injected = {"AZURE_FEDERATED_TOKEN_FILE": str(written(tmp_path / "token", FEDERATED)), "AZURE_TENANT_ID": TENANT}
    async with IdentityHost(vault) as host:
        for name, value in {**injected, "AZURE_AUTHORITY_HOST": vault.url, **host.machine()}.items():
            monkeypatch.setenv(name, value)
        settings = settings_of(
            vault,
            client_id=None,
            azure_identity=Identity.MANAGED,
            federated_token_file=tmp_path / "token",
        )
        assert await token_for(settings)
        assert (len(host.asked), vault.calls["token"]) == (1, 0)


# --- a developer


def tool(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


async def test_developers_tools_are_asked_on_a_desk_alone(
    vault: ScriptedVault, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    called = tmp_path / "called"
    answer = '{"accessToken": "of-a-developer", "expires_on": 4102444800}'
    for name in ("az", "azd", "pwsh"):
        tool(tmp_path, name, f"echo {name} >> {called}; echo '{answer}'")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1")
    nobody = settings_of(vault, tenant_id=None, client_id=None)
    await refusal_of(nobody, BackendUnavailable)
    assert not await asyncio.to_thread(called.exists)
    desk = settings_of(vault, tenant_id=None, client_id=None, azure_identity=Identity.DEVELOPER)
    assert await token_for(desk) == "of-a-developer"
    assert called.read_text() == "az\n"


async def test_a_desk_where_no_one_is_logged_in_is_told(
    vault: ScriptedVault, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("az", "azd", "pwsh"):
        tool(tmp_path, name, "echo 'c4n4ry: please run az login' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    desk = settings_of(vault, azure_identity=Identity.DEVELOPER)
    assert "Log in with `az login`" in await refusal_of(desk, BackendUnavailable)


# --- in words


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({}, "a virtual machine's endpoint"),
        ({"IDENTITY_ENDPOINT": "x"}, "a virtual machine's endpoint"),
        ({"IDENTITY_ENDPOINT": "x", "IDENTITY_HEADER": "c4n4ry"}, "App Service, or alike"),
        ({"IDENTITY_ENDPOINT": "x", "IMDS_ENDPOINT": "x"}, "Azure Arc"),
        ({"MSI_ENDPOINT": "x"}, "Cloud Shell"),
    ],
)
def test_a_managed_identity_is_named_with_its_place(environ: dict[str, str], place: str) -> None:
    assert whom(AzureSettings(client_id="c"), environ) == f"the user-assigned managed identity c ({place})"
