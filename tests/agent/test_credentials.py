"""Files that the agent's credential is in."""

from pathlib import Path

import pytest

from holdfast.agent.credentials import CREDENTIAL, MAX_BYTES, Assertion, ClientSecret, SecretFile, TokenFile, of_systemd
from holdfast.errors import ConfigurationError


def written(path: Path, text: bytes = b"app:s3cret\n", mode: int = 0o600) -> Path:
    path.write_bytes(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("text", [b"app:s3cret", b"app:s3cret\n", b"  app:s3cret\r\n"])
def test_a_line_is_id_and_secret(tmp_path: Path, text: bytes) -> None:
    assert SecretFile(written(tmp_path / "c", text)).read() == ClientSecret("app", "s3cret")


def test_an_id_may_hold_colons(tmp_path: Path) -> None:
    assert SecretFile(written(tmp_path / "c", b"urn:app:s3cret")).read() == ClientSecret("urn:app", "s3cret")


def test_each_look_sees_the_file_as_it_is(tmp_path: Path) -> None:
    source = SecretFile(written(tmp_path / "c"))
    source.read()
    written(tmp_path / "new", b"app:rotated").replace(tmp_path / "c")
    assert source.read() == ClientSecret("app", "rotated")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        b"marked",
        b"marked:",
        b":marked",
        b"a:marked\nb:marked",
        b"a:\xffmarked",
        b"a:m\0marked",
        b"a:" + b"m" * MAX_BYTES,
    ],
)
def test_what_is_no_credential_is_refused_and_not_shown(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(ConfigurationError) as refused:
        SecretFile(written(tmp_path / "c", text)).read()
    assert "marked" not in str(refused.value)
    assert str(tmp_path / "c") in str(refused.value)


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o620, 0o602])
def test_a_secret_that_others_may_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigurationError, match="chmod"):
        SecretFile(written(tmp_path / "c", mode=mode)).read()


def test_a_secret_that_the_group_reads_is_taken(tmp_path: Path) -> None:
    """As Kubernetes mounts one for a pod with an ``fsGroup``."""
    assert SecretFile(written(tmp_path / "c", mode=0o440)).read().client_id == "app"


def test_a_pipe_and_a_folder_are_refused_at_once(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "missing"):
        with pytest.raises(ConfigurationError):
            SecretFile(path).read()


def test_a_token_may_be_read_by_others_and_not_changed(tmp_path: Path) -> None:
    source = TokenFile(written(tmp_path / "t", b"a.b.c\n", 0o644), "app", "adfs")
    assert source.read() == Assertion("app", "adfs", "a.b.c")
    (tmp_path / "t").chmod(0o646)
    with pytest.raises(ConfigurationError):
        source.read()


def test_systemds_credential_is_found_where_there_is_one(tmp_path: Path) -> None:
    assert of_systemd({}) is None
    assert of_systemd({"CREDENTIALS_DIRECTORY": str(tmp_path)}) is None
    written(tmp_path / CREDENTIAL, mode=0o400)
    found = of_systemd({"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert found is not None
    assert found.read() == ClientSecret("app", "s3cret")
