"""A node of the test's own."""

from collections.abc import AsyncIterator

import pytest

from tests.support.world import World, make_world


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    async with make_world(database_url) as world:
        yield world
