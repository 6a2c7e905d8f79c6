"""The files in which the tests' PostgreSQL keeps a database."""

from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.support.postgres import fetch


def cluster_folder(dsn: str) -> Path:
    """The data folder of the embedded server that a DSN names."""
    return Path(parse_qs(urlsplit(dsn).query)["host"][0]).parent


async def table_files(dsn: str) -> dict[str, bytes]:
    """Every file of the DSN's database, as it is on disk now: after a checkpoint all that is stored."""
    number = await fetch(dsn, "SELECT oid::text FROM pg_database WHERE datname = current_database()")
    folder = cluster_folder(dsn) / "postgres" / "base" / str(number)
    found = {}
    for file in folder.iterdir():
        with suppress(FileNotFoundError):  # PostgreSQL makes and removes files of its own
            found[file.name] = file.read_bytes()
    return found
