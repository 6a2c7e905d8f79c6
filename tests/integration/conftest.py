"""Data folders of the embedded PostgreSQL, for the tests of it."""

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.embedded.postgres import EmbeddedPostgres
from tests.support.folders import short_folder
from tests.support.postgres import execute


@pytest.fixture(scope="package")
async def stopped_folder() -> AsyncIterator[Path]:
    """A data folder whose server ran and stopped, with a table ``kept`` of 1000 rows: never to be started again."""
    with short_folder() as folder:
        server = EmbeddedPostgres(folder / "data")
        await execute(await server.start(), "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS id")
        await server.stop()
        yield folder / "data"


@pytest.fixture
def used_folder(stopped_folder: Path, data_folder: Path) -> Path:
    """A copy of it for one test: quicker to have than a cluster made from nothing."""
    subprocess.run(["cp", "-a", stopped_folder, data_folder], check=True)
    return data_folder


@pytest.fixture(scope="package")
async def running_folder() -> AsyncIterator[Path]:
    """A data folder with a running server, for tests that only look."""
    with short_folder() as folder:
        server = EmbeddedPostgres(folder / "data")
        await server.start()
        yield folder / "data"
        await server.stop()


@pytest.fixture
async def dsn(running_folder: Path) -> AsyncIterator[str]:
    """The DSN of the server in ``running_folder``."""
    server = EmbeddedPostgres(running_folder)
    yield await server.start()
    await server.stop()
