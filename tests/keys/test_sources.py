"""Where keys come from, and what is refused, with nothing written."""

import json
from pathlib import Path
from typing import Any

import pytest

from holdfast.bootstrap.keysources import CREDENTIAL, add_key, key_place, key_ring
from holdfast.config import Settings
from holdfast.errors import ConfigurationError, Conflict, InvalidInput, StartupError
from tests.cli.runner import holdfast
from tests.keys.support import NEW, NEW_ID, OLD_ID, node
from tests.support.catalog import contents_of
from tests.support.world import KEY


def key_file(folder: Path, *lines: str, name: str = "keys", mode: int = 0o600) -> Path:
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines))
    path.chmod(mode)
    return path


def ids(**settings: Any) -> tuple[str, ...]:
    return key_ring(Settings(**settings), own_database=False).ids


def test_all_sources_count_in_the_order_of_the_list(tmp_path: Path) -> None:
    file = key_file(tmp_path, "# new", "", f"  {NEW} ", KEY)
    assert ids(encryption_key_file=file, data_dir=tmp_path) == (NEW_ID, OLD_ID)
    assert ids(encryption_key=KEY, encryption_key_file=file, data_dir=tmp_path) == (OLD_ID, NEW_ID)
    folder = tmp_path / "credentials"
    folder.mkdir()
    assert ids(encryption_key=KEY, credentials_dir=folder, data_dir=tmp_path) == (OLD_ID,), "systemd gave others"
    key_file(folder, NEW, name=CREDENTIAL, mode=0o440)
    assert ids(credentials_dir=folder, data_dir=tmp_path) == (NEW_ID,)


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o606])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = key_file(tmp_path, KEY, mode=mode)
    with pytest.raises(StartupError, match="may be read by others") as refusal:
        ids(encryption_key_file=file, data_dir=tmp_path)
    assert KEY not in str(refusal.value)
    folder = tmp_path / "credentials"
    folder.mkdir()
    key_file(folder, KEY, name=CREDENTIAL, mode=0o404)
    with pytest.raises(StartupError, match="may be read by others"):
        ids(credentials_dir=folder, data_dir=tmp_path)


def test_what_is_wrong_in_a_file_is_named_by_its_line_and_not_repeated(tmp_path: Path) -> None:
    file = key_file(tmp_path, KEY, "c4n4ry", KEY[:20])
    with pytest.raises(ConfigurationError) as refusal:
        ids(encryption_key_file=file, data_dir=tmp_path)
    assert [fault.partition(")")[0] for fault in refusal.value.faults] == [f"{file} (line 2", f"{file} (line 3"]
    assert "c4n4ry" not in str(refusal.value)
    for broken in (tmp_path / "none", tmp_path):
        with pytest.raises(StartupError, match="HOLDFAST_ENCRYPTION_KEY_FILE"):
            ids(encryption_key_file=broken, data_dir=tmp_path)
    with pytest.raises(StartupError, match="holds no key"):
        ids(encryption_key_file=key_file(tmp_path, "# none"), data_dir=tmp_path)
    long = tmp_path / "long"
    long.write_bytes(b"\xff" * 100_000)
    long.chmod(0o600)
    with pytest.raises(StartupError, match="is no key file"):
        ids(encryption_key_file=long, data_dir=tmp_path)


async def test_a_wrong_key_in_a_file_writes_nothing(database_url: str, tmp_path: Path) -> None:
    file, given = key_file(tmp_path, KEY), dict[str, Any](encryption_key=None, decryption_keys=())
    async with node(database_url, tmp_path / "data", **given, encryption_key_file=file) as service:
        await service.set_secret("k", "v")
    before = await contents_of(database_url)
    key_file(tmp_path, NEW)
    with pytest.raises(StartupError, match=f"sealed with the key {OLD_ID}"):
        await node(database_url, tmp_path / "data", **given, encryption_key_file=file).initialize()
    assert await contents_of(database_url) == before


def test_a_key_is_added_to_the_file_whole_and_once(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    settings = Settings(database_url="postgresql://x/y", encryption_key_file=file, data_dir=tmp_path)
    assert add_key(settings, KEY).path == file
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text(file.read_text().rstrip("\n"))  # as an editor may leave it
    added = add_key(settings)
    assert key_ring(settings, own_database=False).ids == (OLD_ID, added.key_id)
    with pytest.raises(Conflict, match=OLD_ID):
        add_key(settings, KEY)
    with pytest.raises(InvalidInput, match="not valid base64") as refusal:
        add_key(settings, "c4n4ry")
    assert "c4n4ry" not in str(refusal.value)
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


def test_what_is_to_be_kept_elsewhere_is_named_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "holdfast.keys").write_text(KEY)
    (tmp_path / "holdfast.keys").chmod(0o600)
    assert key_place(Settings(data_dir=tmp_path)) == str(tmp_path / "encryption.key")
    assert key_place(Settings(data_dir=tmp_path, encryption_key=KEY)) == "FALLBACK_ENCRYPTION_KEY"
    assert key_place(Settings(data_dir=tmp_path, credentials_dir=tmp_path)) == "the credential holdfast.keys"
    both = Settings(data_dir=tmp_path, encryption_key=KEY, credentials_dir=tmp_path)
    assert key_place(both) == "FALLBACK_ENCRYPTION_KEY and the credential holdfast.keys"
    file = Settings(data_dir=tmp_path, encryption_key_file=tmp_path / "keys", credentials_dir=tmp_path)
    assert key_place(file) == f"{tmp_path / 'keys'} and the credential holdfast.keys"


def test_an_installation_with_a_database_of_its_own_adds_to_the_key_it_made(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    (first,) = key_ring(settings, own_database=True).ids
    added = add_key(settings)
    assert added.path == tmp_path / "encryption.key"
    assert key_ring(settings, own_database=True).ids == (first, added.key_id)


def test_the_command_adds_to_the_file_or_writes_to_stdout(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "DATABASE_URL": "postgresql://x/y", "FALLBACK_ENCRYPTION_KEY": KEY}
    told = holdfast("keys", "add", environ=environ)
    assert (told.code, len(told.stdout)) == (0, 45)
    assert "HOLDFAST_DECRYPTION_KEYS" in told.stderr
    assert told.stdout.strip() not in told.stderr
    environ["HOLDFAST_ENCRYPTION_KEY_FILE"] = str(tmp_path / "keys")
    added = holdfast("keys", "add", "--stdin", "--json", stdin=f"{NEW}\n".encode(), environ=environ)
    assert json.loads(added.stdout) == {"key_id": NEW_ID, "path": str(tmp_path / "keys"), "key": None}
    assert (tmp_path / "keys").read_text() == f"{NEW}\n"
