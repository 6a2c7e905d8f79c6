"""The ground on which real targets are rotated."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.rotation.killed import Ground, prepare
from tests.support.folders import short_folder
from tests.support.mariadb import MariaDb, running_mariadb
from tests.support.node import Inside
from tests.support.rabbitmq import RabbitMq, running_rabbitmq


@pytest.fixture
def ground(database_url: str, redis_url: str, data_folder: Path) -> Ground:
    return Ground(database_url, redis_url, data_folder)


@pytest.fixture
async def inside(ground: Ground) -> AsyncIterator[Inside]:
    async with ground.node() as node:
        await prepare(ground, node)
        yield node


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """One MariaDB for the session."""
    with short_folder() as folder, running_mariadb(folder) as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMq]:
    """One RabbitMQ for the session."""
    with short_folder() as folder, running_rabbitmq(folder) as server:
        yield server
