"""Nodes of the test's own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.service.manager import SecretsService
from tests.support.node import Inside, opened, service_on
from tests.support.scripted_vault import ScriptedVault
from tests.support.world import World, make_world


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    async with make_world(database_url) as world:
        yield world


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[SecretsService]:
    """A node that stands alone."""
    async with service_on(database_url, tmp_path) as service:
        yield service


@pytest.fixture
async def inside(database_url: str, tmp_path: Path) -> AsyncIterator[Inside]:
    """A node that stands alone, with its parts in view."""
    async with opened(database_url, tmp_path) as inside:
        yield inside


@pytest.fixture(scope="session")
async def scripted_server() -> AsyncIterator[ScriptedVault]:
    async with ScriptedVault() as vault:
        yield vault


@pytest.fixture
def scripted(scripted_server: ScriptedVault) -> ScriptedVault:
    """A vault that is empty and well when the test begins."""
    scripted_server.reset()
    return scripted_server
