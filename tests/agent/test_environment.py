"""How programs learn of the endpoint."""

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
    environment.remove(path)
    environment.remove(path)
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_the_files_place_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / "identity.env").symlink_to(tmp_path / "elsewhere")
    environment.write(tmp_path / "identity.env", {"A": "1"})
    assert (tmp_path / "elsewhere").read_text() == ""
    assert not (tmp_path / "identity.env").is_symlink()
