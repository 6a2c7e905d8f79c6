"""A vault behind both installations."""

from collections.abc import AsyncIterator

import pytest

from tests.support.scripted_vault import ScriptedVault


@pytest.fixture
async def vault() -> AsyncIterator[ScriptedVault]:
    """A vault that is empty and well."""
    async with ScriptedVault() as vault:
        yield vault
