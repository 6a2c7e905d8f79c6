"""Making a node, and what stands in its way: every obstacle is named, with a mend, and nothing is written."""

import json
from pathlib import Path

import pytest

from tests.cli.runner import holdfast
from tests.support.world import KEY

OTHER_KEY = "Zm9yIHRlc3RzIG9ubHk6IGFub3RoZXIga2V5IDEyMy4="


def test_init_makes_everything_and_says_what_to_back_up(data_folder: Path) -> None:
    environ = {"HOLDFAST_DATA_DIR": str(data_folder), "HOME": str(data_folder.parent)}
    outcome = holdfast("init", "--json", environ=environ)
    assert (outcome.code, outcome.stderr) == (0, "")
    facts = json.loads(outcome.stdout)
    assert facts["data"] == str(data_folder)
    assert Path(facts["ca"]).read_text().startswith("-----BEGIN CERTIFICATE-----")
    key = Path(facts["key"].partition(";")[0])
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_text().strip() not in outcome.stdout
    again = holdfast("init", environ=environ)
    assert (again.code, again.stderr) == (0, "")
    assert str(key) in again.stdout
    assert holdfast("set", "db", stdin=b"c4n4ry\n", environ=environ).code == 0
    assert holdfast("get", "db", environ=environ).stdout == "c4n4ry"


def test_a_wrong_key_writes_nothing(database_url: str, tmp_path: Path) -> None:
    environ = {"DATABASE_URL": database_url, "HOLDFAST_DATA_DIR": str(tmp_path / "data"), "HOME": str(tmp_path)}
    right, wrong = ({**environ, "FALLBACK_ENCRYPTION_KEY": key} for key in (KEY, OTHER_KEY))
    assert holdfast("set", "db", stdin=b"c4n4ry", environ=right).code == 0
    refused = holdfast("set", "db", stdin=b"c4n4ry-2", environ=wrong)
    assert refused.code == 9
    assert refused.stderr.count("\n") == 1
    assert "Unexpected" not in refused.stderr
    assert holdfast("get", "db", environ=right).stdout == "c4n4ry"
    assert len(holdfast("versions", "db", environ=right).stdout.splitlines()) == 2


@pytest.mark.parametrize("command", ["health", "list"])
def test_an_unreachable_database_is_named(command: str, tmp_path: Path) -> None:
    environ = {
        "DATABASE_URL": "postgresql://app:c4n4ry@127.0.0.1:1/secrets",
        "FALLBACK_ENCRYPTION_KEY": KEY,
        "HOLDFAST_DATA_DIR": str(tmp_path / "data"),
        "HOME": str(tmp_path),
    }
    outcome = holdfast(command, environ=environ)
    assert outcome.code == 9
    assert outcome.stdout == ""
    assert "PostgreSQL cannot be reached" in outcome.stderr
    assert "c4n4ry" not in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_data_folder_that_cannot_be_made_is_named() -> None:
    outcome = holdfast("init", environ={"HOLDFAST_DATA_DIR": "/proc/holdfast", "HOME": "/"})
    assert outcome.code == 9
    assert "HOLDFAST_DATA_DIR" in outcome.stderr
    assert "Traceback" not in outcome.stderr
