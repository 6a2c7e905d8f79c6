"""What the service unit and the page on deployment name is there."""

import re
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

from holdfast.cli.main import cli
from holdfast.config import variables
from tests.support.reference import ROOT

UNIT = ROOT / "deploy" / "systemd" / "holdfast.service"
PAGE = ROOT / "docs" / "deployment.md"


def _service() -> dict[str, str]:
    unit = RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep case
    unit.read(UNIT)
    return dict(unit["Service"])


def test_the_unit_starts_a_command_that_there_is() -> None:
    program, *args = _service()["ExecStart"].split()
    assert program.endswith("/bin/holdfast")
    command = cli.commands[args[0]]
    with command.make_context(args[0], args[1:]) as context:
        assert context.params["workers"] == 2


def test_the_unit_and_the_page_name_settings_that_there_are() -> None:
    known = {each.name for each in variables()}
    text = UNIT.read_text() + PAGE.read_text()
    named = set(re.findall(r"\b(?:HOLDFAST|AZURE)_[A-Z_]+|\b[A-Z]+_URL\b", text))
    assert {"HOLDFAST_DATA_DIR", "DATABASE_URL"} <= named
    assert named - known == set()


def test_the_page_shows_the_units_own_settings() -> None:
    service, page = _service(), PAGE.read_text()
    for key in ("User", "StateDirectory", "Environment", "EnvironmentFile", "LoadCredentialEncrypted"):
        assert f"-p {key}={service[key]} " in page, key


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="takes systemd-analyze")
def test_systemd_knows_every_line_of_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(re.sub(r"ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text()))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )
    assert [line for line in done.stderr.splitlines() if unit.name in line] == []
