"""An issuer for all tests of a module."""

from collections.abc import AsyncIterator

import pytest

from tests.support.folders import short_folder
from tests.support.issuer import LocalIssuer, local_issuer


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[LocalIssuer]:
    with short_folder() as folder:
        async with local_issuer(folder) as running:
            yield running


@pytest.fixture
def issuer(server: LocalIssuer) -> LocalIssuer:
    """The issuer with one key, up, and asked nothing yet."""
    first = dict(list(server.keys.items())[:1])
    server.keys, server.documents, server.down = first, {}, False
    server.asked.clear()
    return server
