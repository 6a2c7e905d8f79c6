"""Nodes with a secret and three approvers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.service.manager import SecretsService
from tests.break_glass.support import prepare
from tests.support.node import Inside, opened


@pytest.fixture
async def inside(database_url: str, tmp_path: Path) -> AsyncIterator[Inside]:
    async with opened(database_url, tmp_path) as inside:
        await prepare(inside.service)
        yield inside


@pytest.fixture
def ready(inside: Inside) -> SecretsService:
    return inside.service
