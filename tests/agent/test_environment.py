"""How programs learn of the endpoint."""

import os
import stat
from pathlib import Path

import pytest

from holdfast.agent import environment


def test_both_versions_are_told() -> None:
    url = "http://127.0.0.1:8300/msi/token"
    assert environment.variables(8300, "s3cret") == {
        "IDENTITY_ENDPOINT": url,
        "IDENTITY_HEADER": "s3cret",
        "MSI_ENDPOINT": url,
        "MSI_SECRET": "s3cret",
    }


def test_nothing_leads_a_program_to_another_platforms_protocol() -> None:
    before = {"A": "1", "IDENTITY_SERVER_THUMBPRINT": "x", "IMDS_ENDPOINT": "x", "IDENTITY_HEADER": "former"}
    assert environment.around(before, {"IDENTITY_HEADER": "now"}) == {"A": "1", "IDENTITY_HEADER": "now"}


@pytest.mark.parametrize("proxy", ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, "127.0.0.1"),
        ({"NO_PROXY": "a, b"}, "a,b,127.0.0.1"),
        ({"NO_PROXY": "*"}, "*"),
        ({"NO_PROXY": "127.0.0.1"}, "127.0.0.1"),
    ],
)
def test_no_proxy_is_shown_the_secret(proxy: str, before: dict[str, str], after: str) -> None:
    given = environment.around({proxy: "http://proxy:3128", **before}, {})
    assert given["NO_PROXY"] == after
    assert "127.0.0.1" in given["no_proxy"] or given["NO_PROXY"] == "*"


def test_without_a_proxy_nothing_is_said_of_one() -> None:
    assert environment.around({"A": "1", "HTTPS_PROXY": ""}, {}) == {"A": "1", "HTTPS_PROXY": ""}


def test_the_file_is_for_its_owner_alone_and_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "identity.env"
    path.write_text("OLD=1\n")
    path.chmod(0o666)
    environment.write(path, {"A": "1", "B": "x y"})
    assert path.read_text() == "A=1\nB=x y\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    environment.remove(path, {"A": "1", "B": "x y"})
    environment.remove(path, {"A": "1", "B": "x y"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("now", ["A=2\n", "A=1\nB=2\n", "A=1", ""])
def test_an_agent_that_ends_leaves_the_file_of_the_one_that_replaced_it(tmp_path: Path, now: str) -> None:
    path = tmp_path / "identity.env"
    environment.write(path, {"A": "1"})
    path.write_text(now)
    environment.remove(path, {"A": "1"})
    assert path.read_text() == now


def test_what_an_agent_left_that_was_killed_keeps_none_from_starting(tmp_path: Path) -> None:
    """In a container every agent has the same process id."""
    path = tmp_path / "identity.env"
    (tmp_path / f"{path.name}.{os.getpid()}.new").write_text("")
    environment.write(path, {"A": "1"})
    assert path.read_text() == "A=1\n"


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "identity.env" / "x").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        environment.write(tmp_path / "identity.env", {"A": "1"})
    assert [each.name for each in tmp_path.iterdir()] == ["identity.env"]


def test_a_program_is_not_told_where_the_agents_own_credential_lies() -> None:
    assert environment.around({"A": "1", "CREDENTIALS_DIRECTORY": "/run/credentials/x"}, {}) == {"A": "1"}


def test_a_link_in_the_files_place_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / "identity.env").symlink_to(tmp_path / "elsewhere")
    environment.write(tmp_path / "identity.env", {"A": "1"})
    assert (tmp_path / "elsewhere").read_text() == ""
    assert not (tmp_path / "identity.env").is_symlink()
