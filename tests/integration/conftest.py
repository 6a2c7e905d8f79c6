"""Data folders of the embedded PostgreSQL, for the tests of it."""

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.embedded.postgres import EmbeddedPostgres
from tests.support.folders import short_folder


@pytest.fixture(scope="package")
async def stopped_folder() -> AsyncIterator[Path]:
    """A data folder whose server has run before. Who starts it stops it, and leaves the folder usable."""
    with short_folder() as folder:
        server = EmbeddedPostgres(folder / "data")
        await server.start()
        await server.stop()
        yield folder / "data"


@pytest.fixture
def used_folder(stopped_folder: Path, data_folder: Path) -> Path:
    """A copy of it to spoil: quicker to have than a cluster made from nothing."""
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
