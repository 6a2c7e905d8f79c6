"""What doctor tells of the node's own identity in Azure."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from holdfast.bootstrap.doctor.azure import look_at_identity
from holdfast.config import read_draft
from holdfast.ports.inspection import CertificateFacts, FederatedFacts, IdentityFacts
from holdfast.service.doctor.azure import identity_findings
from holdfast.stores.keyvault.claims import claims_of
from holdfast.stores.keyvault.entra import REASONS
from tests.cli.environment import environment
from tests.doctor.test_doctor import examined
from tests.support.certificates import make_client_certificate
from tests.support.scripted_vault import CLIENT_ID, TENANT, ScriptedVault

pytestmark = pytest.mark.usefixtures("durable_server")

NOW = datetime(2027, 1, 1, tzinfo=UTC)
WHOM = f"the client {CLIENT_ID} of the tenant {TENANT}"


@pytest.fixture
def environ(database_url: str, tmp_path: Path) -> dict[str, str]:
    return environment(database_url, tmp_path)


def without_secret(vault: ScriptedVault) -> dict[str, str]:
    return {name: value for name, value in vault.environ().items() if name != "AZURE_CLIENT_SECRET"}


async def test_a_code_is_told_with_its_fix_and_whom_it_is_about(environ: dict[str, str]) -> None:
    """Every code has its text: ``tests/integration/test_keyvault_tokens.py``."""
    async with ScriptedVault() as vault:
        for code in (7000222, 53003):
            what, fix = REASONS[code]
            answer = {"error": "invalid_client", "error_codes": [code], "error_description": f"AADSTS{code}: c4n4ry"}
            vault.fail("token", status=401, body=json.dumps(answer).encode())
            told = await examined({**environ, **vault.environ()})
            (found,) = told.of("keyvault", "failure")
            assert f"{what} (AADSTS{code}). {fix} Asked as {WHOM}, by its secret." in found
            assert told.of("azure", "ok") == [
                f"Tokens are asked for as {WHOM}, by its secret, at {vault.url.removeprefix('https://')}."
            ]
            assert "c4n4ry" not in told.raw


async def test_a_certificate_is_told_with_its_thumbprint_and_its_end(environ: dict[str, str], tmp_path: Path) -> None:
    async with ScriptedVault() as vault:
        given = {**environ, **without_secret(vault)}
        for days, level in ((10, "warning"), (-1, "failure")):
            file = make_client_certificate(tmp_path, days=days)
            told = await examined({**given, "AZURE_CLIENT_CERTIFICATE_PATH": str(file)})
            found = told.of("azure", level)[-1]
            assert found.startswith(f"The client's certificate ({file}, thumbprint ")
            assert ("it has expired" in found) is (days < 0)


async def test_a_federated_token_is_told_by_what_entra_compares(environ: dict[str, str], tmp_path: Path) -> None:
    claims = {
        "iss": "https://oidc.example/x",
        "sub": "system:serviceaccount:a:b",
        "aud": ["api://AzureADTokenExchange"],
    }
    file = tmp_path / "token"
    file.write_text(token := jwt.encode({**claims, "exp": NOW + timedelta(days=3650)}, "k" * 32, "HS256"))
    async with ScriptedVault() as vault:
        told = await examined({**environ, **without_secret(vault), "AZURE_FEDERATED_TOKEN_FILE": str(file)})
        assert told.of("azure", "ok")[-1] == (
            "The federated token is of the issuer https://oidc.example/x, with subject system:serviceaccount:a:b and "
            "audience api://AzureADTokenExchange: the client's federated credential has to name these three."
        )
        assert token not in told.raw


async def test_what_is_at_fault_is_told_once_and_nothing_is_asked(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "client.pem").write_text("c4n4ry")
    (tmp_path / "client.pem").chmod(0o600)
    async with ScriptedVault() as vault:
        given = {**environ, **without_secret(vault)}
        told = await examined({**given, "AZURE_CLIENT_CERTIFICATE_PATH": str(tmp_path / "client.pem")})
        (found,) = told.failures
        assert found.startswith("AZURE_CLIENT_CERTIFICATE_PATH names ")
        assert told.of("keyvault") == ["Not looked at: the identity is at fault, see azure."]
        assert not vault.calls
        unknown = await examined({**given, "HOLDFAST_AZURE_IDENTITY": "c4n4ry"})
        assert unknown.of("azure") == ["Not looked at: HOLDFAST_AZURE_IDENTITY is at fault, see settings."]
        assert "c4n4ry" not in unknown.raw


async def test_nothing_of_azure_is_told_where_nothing_of_it_is_set_up(environ: dict[str, str]) -> None:
    assert (await examined(environ)).of("azure", "ok", "skipped", "warning", "failure") == []


@pytest.mark.parametrize(
    ("facts", "levels"),
    [
        (IdentityFacts(fault="x"), ["failure"]),
        (IdentityFacts(), ["ok"]),
        (IdentityFacts(certificate=CertificateFacts(whose="x", starts_at=NOW, expires_at=NOW)), ["ok", "failure"]),
        (
            IdentityFacts(
                certificate=CertificateFacts(whose="x", starts_at=NOW + timedelta(1), expires_at=NOW + timedelta(90))
            ),
            ["ok", "failure"],
        ),
        (
            IdentityFacts(federated=FederatedFacts(issuer="i", subject="s", audience="a", expires_at=NOW)),
            ["ok", "failure"],
        ),
        (IdentityFacts(federated=FederatedFacts(issuer="i", subject="s", audience="a")), ["ok", "ok"]),
    ],
)
def test_judgements(facts: IdentityFacts, levels: list[str]) -> None:
    found = identity_findings(facts, NOW)
    assert [each.level for each in found] == levels
    assert all(each.fix and each.why for each in found if each.level != "ok")


@pytest.mark.parametrize(
    "settings",
    [
        {"HOLDFAST_DATABASE_LOGIN": "entra", "DATABASE_URL": "postgresql://app@db.example/app"},
        {"HOLDFAST_REDIS_LOGIN": "entra", "REDIS_URL": "rediss://cache.example/0"},
    ],
)
async def test_an_identity_that_only_takes_the_place_of_a_password_is_told_of(settings: dict[str, str]) -> None:
    (told,) = await look_at_identity(read_draft({"HOME": "/nowhere", **settings}))
    assert told.found.startswith("Tokens are asked for as the system-assigned managed identity")
    assert not await look_at_identity(read_draft({"HOME": "/nowhere"}))


@pytest.mark.parametrize(
    "body",
    [[], {}, {"iss": 1, "sub": {"c4n4ry": 1}, "aud": [None], "exp": "x"}, {"iss": "a\x1b[2J", "exp": 1e300, "aud": ""}],
)
def test_any_token_has_claims_that_may_be_shown(body: Any) -> None:
    token = f"x.{jwt.utils.base64url_encode(json.dumps(body).encode()).decode()}.x"
    for text in (token, "x", "", "x.%.y", "x.\u00e4.y", "x.e30.y", f"x.{'W1tb' * 40_000}.y"):  # the last: [[[…
        claims = claims_of(text)
        assert {claims.issuer, claims.subject, claims.audience, claims.expires_at} == {"(none)", None}
