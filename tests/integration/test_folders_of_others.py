"""What others may change is not believed: the data folder, what is in it, key files, and files that settings name."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.bootstrap.datafolder import check_data_folder
from holdfast.bootstrap.keysources import CREDENTIAL, add_key, key_ring
from holdfast.config import Context, Contexts, Settings
from holdfast.embedded.folder import prepare
from holdfast.embedded.keyfile import FILE_NAME
from holdfast.errors import ConfigurationError, StartupError
from holdfast.resilience.ownership import changed_by_others
from tests.cli.runner import holdfast
from tests.support.world import KEY

AS_ROOT = os.geteuid() == 0
STRANGER = 4_321

DECISIVE = [
    ".",
    FILE_NAME,
    "tls",
    "tls/ca-key.pem",
    "tls/ca.pem",
    "tls/server.pem",
    "audit",
    "audit/writer-0",
    "issuers",
]


def folder(root: Path) -> Path:
    """A data folder with all that decides."""
    for name in DECISIVE:
        path = root / name
        if path.suffix or "/" in name:
            path.write_text("")
        else:
            path.mkdir(exist_ok=True, mode=0o700)
    root.chmod(0o700)
    return root


def opened(bits: int) -> Callable[[Path], None]:
    return lambda path: path.chmod(path.stat().st_mode | bits)


def given_away(path: Path) -> None:
    os.chown(path, STRANGER, -1)


def swapped_for_a_link_of_others(path: Path) -> None:
    real = path.rename(path.with_name(f"{path.name}.real"))
    path.symlink_to(real)
    os.lchown(path, STRANGER, -1)


def led_to_what_others_own(path: Path) -> None:
    real = path.rename(path.with_name(f"{path.name}.real"))
    os.chown(real, STRANGER, -1)
    path.symlink_to(real)


FOREIGN = [given_away, swapped_for_a_link_of_others, led_to_what_others_own]


@pytest.mark.parametrize("name", DECISIVE)
@pytest.mark.parametrize("bits", [0o020, 0o002, 0o1002])
def test_what_others_may_write_in_a_data_folder_is_refused_with_the_mend(tmp_path: Path, name: str, bits: int) -> None:
    root = folder(tmp_path)
    check_data_folder(root)
    opened(bits)(root / name)
    with pytest.raises(StartupError, match=r"may be changed by others.*chmod go-w"):
        check_data_folder(root)


@pytest.mark.skipif(not AS_ROOT, reason="only root gives files away")
@pytest.mark.parametrize("name", DECISIVE[1:])
@pytest.mark.parametrize("spoil", FOREIGN)
def test_what_is_another_users_in_a_data_folder_is_refused(
    tmp_path: Path, name: str, spoil: Callable[[Path], None]
) -> None:
    root = folder(tmp_path)
    spoil(root / name)
    with pytest.raises(StartupError, match=f"belongs to user {STRANGER}"):
        check_data_folder(root)


def test_links_of_ones_own_and_what_is_not_there_are_well(tmp_path: Path) -> None:
    check_data_folder(tmp_path / "nothing")
    root = folder(tmp_path)
    (root / "tls").rename(tmp_path / "elsewhere")
    (root / "tls").symlink_to(tmp_path / "elsewhere")
    check_data_folder(root)
    (tmp_path / "elsewhere").chmod(0o777)
    with pytest.raises(StartupError, match="may be changed by others"):
        check_data_folder(root)


def test_a_link_that_leads_nowhere_is_no_fault_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert changed_by_others(tmp_path / "link") is None
    (tmp_path / "tls").symlink_to("tls")
    with pytest.raises(StartupError, match="cannot be looked at"):
        check_data_folder(tmp_path)


@pytest.mark.parametrize("command", [("init",), ("serve",), ("get", "db"), ("health",), ("keys", "add")])
def test_no_command_works_in_an_open_data_folder(tmp_path: Path, command: tuple[str, ...]) -> None:
    root = tmp_path / "data"
    root.mkdir()
    root.chmod(0o777)
    outcome = holdfast(*command, environ={"HOLDFAST_DATA_DIR": str(root), "HOLDFAST_PORT": "0", "HOME": str(tmp_path)})
    assert outcome.code != 0
    assert "chmod go-w" in outcome.stderr
    assert list(root.iterdir()) == []


def test_an_open_data_folder_is_refused_beside_a_database_of_ones_own_too(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for attempt in (
        lambda: key_ring(Settings(encryption_key=KEY, data_dir=tmp_path), own_database=False),
        lambda: add_key(Settings(data_dir=tmp_path)),
        lambda: prepare(tmp_path),
    ):
        with pytest.raises(StartupError, match="chmod go-w"):
            attempt()


@pytest.mark.skipif(not AS_ROOT, reason="only root gives files away")
@pytest.mark.parametrize("spoil", FOREIGN)
def test_a_key_file_of_another_user_is_refused(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    file, credential = tmp_path / "keys", tmp_path / "credentials" / CREDENTIAL
    credential.parent.mkdir()
    for path, settings in (
        (file, Settings(encryption_key_file=file, data_dir=tmp_path / "data")),
        (credential, Settings(credentials_dir=credential.parent, data_dir=tmp_path / "data")),
    ):
        path.write_text(KEY)
        path.chmod(0o600)
        key_ring(settings, own_database=False)
        spoil(path)
        with pytest.raises(StartupError, match=f"belongs to user {STRANGER}"):
            key_ring(settings, own_database=False)


def test_a_credential_that_its_group_may_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / CREDENTIAL).write_text(KEY)
    (tmp_path / CREDENTIAL).chmod(0o460)
    with pytest.raises(StartupError, match="may be changed by others"):
        key_ring(Settings(credentials_dir=tmp_path, data_dir=tmp_path / "data"), own_database=False)


NAMED = [
    "HOLDFAST_TLS_CERT",
    "HOLDFAST_TLS_KEY",
    "HOLDFAST_OIDC_ISSUERS",
    "HOLDFAST_BREAK_GLASS",
    "HOLDFAST_KEYVAULT_CA",
]


@pytest.mark.parametrize("name", NAMED)
def test_files_that_settings_name_are_nobody_elses_to_change(tmp_path: Path, name: str) -> None:
    file = tmp_path / "file"
    file.write_text("")
    file.chmod(0o640)
    well = tmp_path / "well"
    well.write_text("")
    both = {"HOLDFAST_TLS_CERT": str(well), "HOLDFAST_TLS_KEY": str(well)}
    assert Settings.from_environ(both | {name: str(file)})
    file.chmod(0o664)
    with pytest.raises(ConfigurationError, match=rf"{name} must name a file that others may not write.*chmod go-w"):
        Settings.from_environ(both | {name: str(file)})
    if AS_ROOT:
        file.chmod(0o644)
        given_away(file)
        with pytest.raises(ConfigurationError, match=f"{name} must name a file that only this user, or root"):
            Settings.from_environ(both | {name: str(file)})


@pytest.mark.parametrize("bits", [0o020, 0o002])
def test_a_folder_that_others_may_write_offers_no_file_to_believe(tmp_path: Path, bits: int) -> None:
    """Anyone who writes to the folder replaces the file, after it was looked at or before."""
    place = tmp_path / "etc"
    place.mkdir(mode=0o700)
    for name in ("keys", "issuers.toml"):
        (place / name).write_text(KEY)
        (place / name).chmod(0o600)
    link = tmp_path / "link"
    link.symlink_to(place / "issuers.toml")
    keys = Settings(encryption_key_file=place / "keys", data_dir=tmp_path / "data")
    key_ring(keys, own_database=False)
    opened(bits)(place)
    for path in (place / "issuers.toml", link):
        with pytest.raises(ConfigurationError, match="only this user, or root, may change"):
            Settings.from_environ({"HOLDFAST_OIDC_ISSUERS": str(path)})
    with pytest.raises(StartupError, match="may be changed by others"):
        key_ring(keys, own_database=False)


def test_a_sticky_folder_of_roots_offers_files_as_kubernetes_mounts_them(tmp_path: Path) -> None:
    place = tmp_path / "mounted"
    (place / "..2026").mkdir(parents=True)
    (place / "..2026" / "issuers.toml").write_text("")
    (place / "..data").symlink_to("..2026")
    (place / "issuers.toml").symlink_to("..data/issuers.toml")
    place.chmod(0o1777)
    assert Settings.from_environ({"HOLDFAST_OIDC_ISSUERS": str(place / "issuers.toml")})
    if AS_ROOT:
        given_away(place)
        with pytest.raises(ConfigurationError, match="only this user, or root, may change"):
            Settings.from_environ({"HOLDFAST_OIDC_ISSUERS": str(place / "issuers.toml")})


@pytest.mark.skipif(not AS_ROOT, reason="only root gives files away")
def test_logins_that_somebody_else_keeps_for_us_are_refused(tmp_path: Path) -> None:
    contexts = Contexts({"XDG_CONFIG_HOME": str(tmp_path)})
    contexts.keep(Context(name="kv", address="https://kv.example", token="hf_x"))
    assert contexts.current()
    given_away(contexts.file)
    with pytest.raises(ConfigurationError, match=f"belongs to user {STRANGER}"):
        contexts.current()
