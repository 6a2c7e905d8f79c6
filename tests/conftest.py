"""Fixtures that every test may use: real servers, shared by the session and clean for each test."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from _pytest.terminal import TerminalReporter
from hypothesis import settings

from holdfast.embedded.postgres import EmbeddedPostgres
from tests.support.cluster import durable, quick_postgres
from tests.support.debian import LEFT_OUT, installed
from tests.support.examples import PROFILE
from tests.support.folders import of_this_process, short_folder
from tests.support.postgres import empty_database, fresh_database
from tests.support.redis import flush, running_redis
from tests.support.warden import warden

os.umask(0o022)  # with a wider one, the files and folders of tests would be such as Holdfast does not believe

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("random", deadline=None)
settings.load_profile(PROFILE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest begin, so that no worker is left alone with one; leave out those whose servers are not here."""
    items.sort(key=_time_limit, reverse=True)
    for item in items:
        wanted = [package for mark in item.iter_markers("services") for package in mark.args]
        missing = [package for package in wanted if not installed(package)]
        if missing:
            item.add_marker(pytest.mark.skip(reason=f"{LEFT_OUT}{', '.join(missing)}"))


def _time_limit(item: pytest.Item) -> float:
    """Seconds, where a test has a limit of its own because it takes long; 0 for all others."""
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0]) if mark and mark.args else 0.0


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Say so in a line that nobody overlooks."""
    reasons = [str(each.longrepr) for each in terminalreporter.stats.get("skipped", ())]
    left_out = [reason for reason in reasons if LEFT_OUT in reason]
    if left_out:
        packages = {
            package for reason in left_out for package in reason.partition(LEFT_OUT)[2].rstrip("'\")").split(", ")
        }
        terminalreporter.write_line(
            f"LEFT OUT: {len(left_out)} tests with real servers; not installed: {', '.join(sorted(packages))}. "
            "`make services` installs them.",
            yellow=True,
            bold=True,
        )


@pytest.fixture(scope="session", autouse=True)
def _warden(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A killed run leaves no server behind."""
    with warden(of_this_process(), tmp_path_factory.getbasetemp()):
        yield


@pytest.fixture
def data_folder() -> Iterator[Path]:
    """An empty folder with a short name that the server's account can reach."""
    with short_folder() as folder:
        yield folder / "data"


@pytest.fixture(scope="session")
async def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedPostgres]:
    """One PostgreSQL for the session, with the migrated template in it. It asks no disk to keep anything."""
    own = tmp_path_factory.getbasetemp()
    async with quick_postgres(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) as server:
        yield server


@pytest.fixture(scope="module")
async def durable_server(postgres_server: EmbeddedPostgres) -> AsyncIterator[None]:
    """That server is as durable as one has to be, for tests in which it is examined."""
    async with durable(postgres_server.dsn):
        yield


@pytest.fixture
async def database_url(postgres_server: EmbeddedPostgres) -> AsyncIterator[str]:
    """The DSN of a database of the test's own, with the current schema."""
    async with fresh_database(postgres_server.dsn) as dsn:
        yield dsn


@pytest.fixture
async def empty(postgres_server: EmbeddedPostgres) -> AsyncIterator[str]:
    """The DSN of a database with nothing in it."""
    async with empty_database(postgres_server.dsn) as dsn:
        yield dsn


@pytest.fixture
async def other_empty(postgres_server: EmbeddedPostgres) -> AsyncIterator[str]:
    """The DSN of another one."""
    async with empty_database(postgres_server.dsn) as dsn:
        yield dsn


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The URL of one Redis for the session."""
    with short_folder() as folder, running_redis(folder) as url:
        yield url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The URL of a Redis that is empty when the test begins."""
    flush(redis_server)
    return redis_server
