"""What someone who follows a page has beforehand: an empty home, the files of a release, and perhaps a server."""

import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from holdfast.crypto.certificates import ensure_server_certificate
from tests.cli.test_remote import serving
from tests.support import packages
from tests.support.folders import short_folder
from tests.support.reference import ROOT


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty folder to be HOME."""
    with short_folder() as folder:
        yield folder


@pytest.fixture
def release(home: Path) -> Path:
    """HOME with the wheel and the lock of this checkout in it."""
    packages.needs_an_index()
    packages.build(home)
    shutil.copyfile(ROOT / "requirements" / "runtime.txt", home / "runtime.txt")
    return home


@pytest.fixture
def server(home: Path, database_url: str, tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """A server that someone else runs, as places of the page; its CA and a token of it are at home."""
    certificate = ensure_server_certificate(tmp_path / "tls", [], now=datetime.now(UTC))
    with serving(database_url, tmp_path, certificate) as environ:
        token = home / "my.token"
        token.touch(0o600)
        token.write_text(environ["HOLDFAST_TOKEN"])
        shutil.copyfile(environ["HOLDFAST_CACERT"], home / "ca.pem")
        url = environ["HOLDFAST_ADDR"]
        yield {"https://holdfast.example:8200": url, "holdfast.example:8200": urlsplit(url).netloc}
