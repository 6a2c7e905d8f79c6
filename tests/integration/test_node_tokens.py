"""Tokens of the node's own identity, for whatever accepts them besides Key Vault."""

import json

import pytest

from holdfast.bootstrap.vault import node_tokens
from holdfast.config import Settings
from holdfast.errors import BackendRefused
from tests.support.scripted_vault import ScriptedVault

SCOPE = "https://ossrdbms-aad.database.windows.net/.default"


def settings_of(vault: ScriptedVault, **changes: str) -> Settings:
    """The identity of a node that has no vault."""
    environ = {name: value for name, value in vault.environ().items() if name != "AZURE_KEYVAULT_URL"}
    return Settings.from_environ({"HOME": "/nowhere", **environ, **changes})


async def test_a_node_without_a_vault_gets_a_token_for_any_scope() -> None:
    async with ScriptedVault() as vault, node_tokens(settings_of(vault), "PostgreSQL") as tokens:
        found = await tokens.get_token_info(SCOPE)
        assert (await tokens.get_token(SCOPE)).token == found.token
        assert vault.calls["token"] == 1, "the second one is the first, kept"


async def test_a_refusal_names_what_the_token_was_for() -> None:
    async with ScriptedVault() as vault, node_tokens(settings_of(vault), "PostgreSQL") as tokens:
        vault.fail("token", status=401, body=json.dumps({"error": "invalid_client", "error_codes": [7000222]}).encode())
        with pytest.raises(BackendRefused, match=r"gave no token for PostgreSQL: .* \(AADSTS7000222\)"):
            await tokens.get_token_info(SCOPE)
