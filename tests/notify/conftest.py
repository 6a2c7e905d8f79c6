"""Notices to send, and an authority that vouches for servers on loopback."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import make_authority
from tests.support.folders import short_folder


@pytest.fixture(scope="session")
def authority() -> Iterator[tuple[Path, ssl.SSLContext]]:
    """The CA's file, and the context of a server that it vouches for."""
    with short_folder() as folder:
        folder.mkdir(exist_ok=True)
        yield make_authority(folder)
