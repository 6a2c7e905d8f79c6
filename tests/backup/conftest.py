"""Databases to restore into, and a vault behind both installations."""

from collections.abc import AsyncIterator

import pytest

from holdfast.embedded.postgres import EmbeddedPostgres
from tests.support.postgres import empty_database
from tests.support.scripted_vault import ScriptedVault


@pytest.fixture
async def empty(postgres_server: EmbeddedPostgres) -> AsyncIterator[str]:
    """A database with nothing in it."""
    async with empty_database(postgres_server.dsn) as dsn:
        yield dsn


@pytest.fixture
async def other_empty(postgres_server: EmbeddedPostgres) -> AsyncIterator[str]:
    async with empty_database(postgres_server.dsn) as dsn:
        yield dsn


@pytest.fixture
async def vault() -> AsyncIterator[ScriptedVault]:
    """A vault that is empty and well."""
    async with ScriptedVault() as vault:
        yield vault
