"""Notices to send, and an authority that vouches for servers on loopback."""

import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.notify.world import World
from tests.support.certificates import make_authority
from tests.support.folders import short_folder
from tests.support.mail import mail_server
from tests.support.receivers import receiving


@pytest.fixture(scope="session")
def authority() -> Iterator[tuple[Path, ssl.SSLContext]]:
    """The CA's file, and the context of a server that it vouches for."""
    with short_folder() as folder:
        folder.mkdir(exist_ok=True)
        yield make_authority(folder)


@pytest.fixture
async def world(database_url: str, data_folder: Path, authority: tuple[Path, ssl.SSLContext]) -> AsyncIterator[World]:
    """A mail server and a receiver, beside a database of the test's own."""
    ca_file, context = authority
    async with mail_server(context) as box, receiving(context) as receiver:
        yield World(database_url, data_folder, box, receiver, ca_file)
