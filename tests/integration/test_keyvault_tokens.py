"""Why there is no token for Key Vault: told by code and kind, and with nothing that the endpoint wrote."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.domain.names import SecretName
from holdfast.errors import BackendRefused, BackendUnavailable
from holdfast.stores.keyvault.audience import foreign_resource
from holdfast.stores.keyvault.entra import PASSING, REASONS, token_error
from tests.support.scripted_vault import CLIENT_ID, TENANT, ScriptedVault

NAME = SecretName("db-password")
CANARY = "c4n4ry"


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[ScriptedVault]:
    async with ScriptedVault() as vault:
        yield vault


@pytest.fixture
async def scripted(server: ScriptedVault) -> ScriptedVault:
    server.reset()
    return server


def answered(code: int, *, listed: bool = True) -> bytes:
    """An error as Microsoft Entra ID tells it."""
    text = f"AADSTS{code}: {CANARY} Trace ID: {CANARY} Correlation ID: {CANARY} Timestamp: 2026-01-01 00:00:00Z"
    codes = {"error_codes": [code], "timestamp": "2026-01-01 00:00:00Z", "trace_id": CANARY} if listed else {}
    return json.dumps({"error": "invalid_client", "error_description": text, **codes}).encode()


async def failure(scripted: ScriptedVault, **options: Any) -> BackendUnavailable:
    store = scripted.connect(**options)
    with pytest.raises(BackendUnavailable) as caught:
        await store.get(NAME)
    await store.aclose()
    assert CANARY not in str(caught.value)
    assert caught.value.__suppress_context__
    return caught.value


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("code", REASONS)
async def test_a_code_is_told_with_its_meaning_and_its_mend(scripted: ScriptedVault, code: int, listed: bool) -> None:
    scripted.fail("token", status=401, body=answered(code, listed=listed))
    error = await failure(scripted)
    what, mend = REASONS[code]
    assert str(error) == (
        f"The token endpoint gave no token for Key Vault: {what} (AADSTS{code}). {mend} "
        f"Asked as the client {CLIENT_ID} of the tenant {TENANT}, by its secret."
    )
    assert isinstance(error, BackendRefused) is (code not in PASSING)
    assert scripted.calls["token"] == 1


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (answered(9999999), "(AADSTS9999999)"),
        (b'{"error":"invalid_client","error_description":"c4n4ry"}', "(invalid_client)"),
        (b'{"error":"C4n4ry <b>","error_codes":["c4n4ry",true,-1]}', "does not accept our credential."),
        (b'{"error":{"code":"c4n4ry"}}', "does not accept our credential."),
    ],
)
async def test_other_codes_are_shown_where_they_are_codes(scripted: ScriptedVault, body: bytes, shown: str) -> None:
    scripted.fail("token", status=400, body=body)
    error = await failure(scripted)
    assert isinstance(error, BackendRefused)
    assert shown in str(error)


async def test_a_vault_of_another_tenant_is_told_with_both_names(scripted: ScriptedVault) -> None:
    ours = "99999999-2222-4333-8444-555555555555"
    error = await failure(scripted, tenant_id=ours)
    assert isinstance(error, BackendRefused)
    assert f"the vault belongs to the tenant {TENANT}, and AZURE_TENANT_ID is the tenant {ours}" in str(error)
    assert scripted.calls["token"] == 0


@pytest.mark.parametrize(
    ("scope", "address", "foreign"),
    [
        ("https://vault.azure.net/.default", "https://fleet.vault.azure.net", None),
        ("https://vault.azure.net/.default", "https://kv.internal.example", None),
        ("https://vault.usgovcloudapi.net/.default", "https://10.0.0.4", None),
        ("https://kv.example/.default", "https://v.kv.example:8443", None),
        ("https://127.0.0.1:8443/.default", "https://127.0.0.1:8443", None),
        ("https://management.azure.com/.default", "https://kv.internal.example", "management.azure.com"),
        ("https://graph.microsoft.com/.default", "https://fleet.vault.azure.net", "graph.microsoft.com"),
        ("https://vault.azure.net.evil.example/.default", "https://kv.example", "vault.azure.net.evil.example"),
        ("https://v.example/.default", "https://kv.example", "v.example"),
        ("https://user@vault.azure.net:pw@evil.example/x", "https://kv.example", "evil.example"),
        ("api://c4n4ry c4n4ry/.default", "https://kv.example", "an unreadable address"),
        ("https://[::1/.default", "https://kv.example", "an unreadable address"),
        ("", "https://kv.example", "an unreadable address"),
    ],
)
def test_a_token_is_asked_for_the_vaults_own_resources_only(scope: str, address: str, foreign: str | None) -> None:
    assert foreign_resource(scope, address) == foreign


async def test_a_challenge_for_another_resource_gets_no_token(scripted: ScriptedVault) -> None:
    async with ScriptedVault(resource="https://management.azure.com") as impostor:
        error = await failure(impostor)
        assert isinstance(error, BackendRefused)
        assert "a token for management.azure.com" in str(error)
        assert not impostor.calls["token"]


async def test_an_endpoint_out_of_reach_is_no_refusal(scripted: ScriptedVault) -> None:
    async with ScriptedVault() as elsewhere:
        authority = elsewhere.url
    error = await failure(scripted, authority_host=authority)
    assert not isinstance(error, BackendRefused)
    assert "token endpoint" in str(error)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@settings(deadline=None)
@given(JSON | st.fixed_dictionaries({"error": JSON, "error_codes": JSON, "error_description": JSON}))
def test_any_answer_has_a_reason_of_ours(body: Any) -> None:
    known = "|".join(re.escape(what) for what, _ in REASONS.values())
    reason = token_error(body).reason
    assert re.match(
        rf"({known}|it does not accept our credential)( \((AADSTS[0-9]{{1,9}}|[a-z_]{{1,40}})\))?\.", reason
    )
