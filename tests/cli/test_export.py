"""``holdfast export``: new files that no one else reads, nothing on a terminal, one record for each value."""

import json
import stat
from pathlib import Path

import pytest

from tests.cli.environment import environment
from tests.cli.runner import holdfast
from tests.cli.terminal import Terminal

VALUES = {"app-a": "1", "app-b": "two\nlines", "other": "$3"}


@pytest.fixture
def environ(database_url: str, tmp_path: Path) -> dict[str, str]:
    environ = environment(database_url, tmp_path)
    for name, value in VALUES.items():
        assert holdfast("set", name, "--raw", stdin=value.encode(), environ=environ).code == 0
    return environ


def reads(environ: dict[str, str], name: str) -> int:
    records = json.loads(holdfast("history", name, "--json", environ=environ).stdout)
    return sum(each["operation"] == "get" and each["success"] for each in records)


@pytest.mark.parametrize(("form", "ending"), [("dotenv", ".env"), ("json", ".json"), ("kubernetes", ".yaml")])
def test_import_of_an_export_changes_nothing(form: str, ending: str, environ: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / f"out{ending}"
    done = holdfast("export", "*", "--format", form, "--output", str(file), environ=environ)
    assert (done.code, done.stdout, "3 secrets are in" in done.stderr) == (0, "", True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [reads(environ, name) for name in VALUES] == [1, 1, 1]
    again = holdfast("import", "file", str(file), "--json", environ=environ)
    states = {each["name"]: each["state"] for each in json.loads(again.stdout)["items"]}
    assert (again.code, states) == (0, dict.fromkeys(VALUES, "unchanged"))


def test_a_pipe_gets_the_values_and_a_terminal_only_when_asked(environ: dict[str, str]) -> None:
    piped = holdfast("export", "app-*", "other", "--format", "json", environ=environ)
    assert (piped.code, json.loads(piped.stdout)) == (0, VALUES)
    before = reads(environ, "other")
    with Terminal("export", "other", "--format", "dotenv", environ=environ, for_stdout=True) as terminal:
        terminal.wait_for("Values are not shown on a terminal")
        assert terminal.end()[0] == 2
    assert reads(environ, "other") == before
    with Terminal("export", "other", "--format", "dotenv", "--show", environ=environ, for_stdout=True) as terminal:
        terminal.wait_for("OTHER='$3'")
        assert terminal.end()[0] == 0


def test_no_file_is_replaced(environ: dict[str, str], tmp_path: Path) -> None:
    file, link = tmp_path / "out.env", tmp_path / "link.env"
    file.write_text("mine")
    link.symlink_to(tmp_path / "nowhere")
    for each in (file, link, Path("/dev/stdout")):
        done = holdfast("export", "other", "--format", "dotenv", "--output", str(each), environ=environ)
        assert (done.code, "is there already" in done.stderr) == (5, True)
    assert (file.read_text(), reads(environ, "other")) == ("mine", 0)
    missing = tmp_path / "none" / "out.env"
    done = holdfast("export", "other", "--format", "dotenv", "--output", str(missing), environ=environ)
    assert (done.code, "cannot be written" in done.stderr) == (2, True)
    assert not missing.exists()


def test_what_cannot_be_read_is_told_by_its_name(environ: dict[str, str], tmp_path: Path) -> None:
    assert holdfast("update", "app-b", "--disable", environ=environ).code == 0
    named = tmp_path / "named.json"
    assert holdfast("export", "app-a", "app-b", "--format", "json", "--output", str(named), environ=environ).code == 6
    assert not named.exists()
    covered = holdfast("export", "app-*", "--format", "json", "--output", str(named), environ=environ)
    assert (covered.code, "app-b is left out: " in covered.stderr) == (6, True)
    assert json.loads(named.read_text()) == {"app-a": "1"}
    report = holdfast(
        "export", "app-*", "--format", "json", "--output", str(tmp_path / "b.json"), "--json", environ=environ
    )
    assert {key: value for key, value in json.loads(report.stdout).items() if key != "file"} == {
        "secrets": ["app-a"],
        "left_out": {"app-b": json.loads(report.stdout)["left_out"]["app-b"]},
    }
    assert holdfast("export", "none-*", "--format", "json", environ=environ).code == 2
    assert holdfast("export", "none", "--format", "json", environ=environ).code == 3
    assert holdfast("export", "--format", "json", environ=environ).code == 2


def test_readers_that_fill_in_are_warned_of(environ: dict[str, str]) -> None:
    assert holdfast("set", "tricky", stdin=b"a${B}c", environ=environ).code == 0
    done = holdfast("export", "tricky", "--format", "dotenv", environ=environ)
    assert (done.stdout, "stands in tricky" in done.stderr) == ("TRICKY='a${B}c'\n", True)
