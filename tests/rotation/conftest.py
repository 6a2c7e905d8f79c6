"""The ground on which real targets are rotated."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.rotation.killed import Ground, prepare
from tests.support.node import Inside


@pytest.fixture
def ground(database_url: str, redis_url: str, data_folder: Path) -> Ground:
    return Ground(database_url, redis_url, data_folder)


@pytest.fixture
async def inside(ground: Ground) -> AsyncIterator[Inside]:
    async with ground.node() as node:
        await prepare(ground, node)
        yield node
