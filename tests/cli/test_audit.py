"""The trail, taken away with one command each, and checked with nothing but files."""

import csv
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cli.environment import environment
from tests.cli.runner import Outcome, holdfast


@pytest.fixture
def environ(database_url: str, tmp_path: Path) -> Mapping[str, str]:
    return environment(database_url, tmp_path)


class Taken:
    """Files as an auditor has them; ``check`` verifies them with no settings at all."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.records, self.checkpoints, self.key = folder / "trail", folder / "checkpoints", folder / "key"
        for file, command in ((self.key, "key"), (self.checkpoints, "checkpoints"), (self.records, "export")):
            outcome = holdfast("audit", command, environ=environ)
            assert outcome.code == 0, outcome
            file.write_text(outcome.stdout)

    def check(self, *more: str) -> Outcome:
        return holdfast(
            *("audit", "verify", str(self.records), *more),
            *("--checkpoints", str(self.checkpoints), "--key", str(self.key)),
        )


def test_i9_an_export_is_checked_offline_and_the_first_bad_record_named(
    environ: Mapping[str, str], tmp_path: Path
) -> None:
    holdfast("set", "db", stdin=b"c4n4ry", environ=environ)
    for _ in range(3):
        holdfast("get", "db", environ=environ)
    taken = Taken(tmp_path, environ)
    good = taken.check()
    assert good.code == 0, good
    assert good.stdout.startswith("Intact: ")
    assert "c4n4ry" not in taken.records.read_text()
    lines = taken.records.read_text().splitlines(keepends=True)
    taken.records.write_text("".join(line.replace('"operation":"get"', '"operation":"set"') for line in lines))
    bad = taken.check()
    assert bad.code == 8
    first, *_, last = bad.stdout.splitlines()
    at = next(number for number, line in enumerate(lines, 1) if '"operation":"get"' in line)
    assert first.startswith("writer ")
    assert first.endswith(f"seq 2: altered: its hash does not fit (line {at})")
    assert last.startswith("NOT INTACT, ")
    assert '"problem_count": ' in taken.check("--json").stdout
    taken.records.write_text("".join(lines[1:]))
    assert taken.check().code == 8
    assert taken.check("--partial").code == 0
    assert taken.check("--up-to", "0").code == 8, "a chain that lacks its beginning needs no checkpoint to be missed"


def test_an_export_that_is_older_than_its_checkpoints_is_not_called_broken(
    environ: Mapping[str, str], tmp_path: Path
) -> None:
    taken = Taken(tmp_path, environ)
    taken.checkpoints.write_text(holdfast("audit", "checkpoints", environ=environ).stdout)
    early = taken.check()
    *_, told, last = early.stdout.splitlines()
    assert (early.code, "NOT INTACT" in early.stdout) == (8, False)
    number = told.split("give --up-to ")[1].split(";")[0]
    assert last.startswith(f"INTACT UP TO CHECKPOINT {number}, and ends there: ")
    assert taken.check("--up-to", number).code == 0
    lines = taken.records.read_text().splitlines(keepends=True)
    taken.records.write_text("".join(lines[:-1]))
    assert taken.check("--up-to", number).code == 0, "the export's own record has no checkpoint yet"
    taken.records.write_text("".join([lines[0].replace('"success":true', '"success":false'), *lines[1:]]))
    assert "NOT INTACT" in taken.check().stdout


def test_a_spreadsheet_runs_nothing_of_what_others_wrote(environ: Mapping[str, str]) -> None:
    holdfast("set", "db", stdin=b"v", environ=environ)
    holdfast("grant", "db", "=cmd|' /C calc'!A0", "get", environ=environ)
    holdfast("check", "db", "@SUM(1)", "get", environ=environ)
    outcome = holdfast("audit", "export", "--csv", environ=environ)
    rows = list(csv.DictReader(outcome.stdout.splitlines()))
    assert {row["operation"] for row in rows} >= {"audit.open", "set", "grant", "audit.export"}
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())


def test_a_bundle_is_intact_although_it_is_on_record_itself(database_url: str, tmp_path: Path) -> None:
    environ = environment(database_url, tmp_path)
    assert holdfast("set", "db", stdin=b"x", environ=environ).code == 0
    folder = tmp_path / "bundle"
    assert holdfast("audit", "bundle", str(folder), environ=environ).code == 0
    export, given, key = folder / "export.jsonl", folder / "checkpoints.txt", folder / "key.txt"
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    verify = ("audit", "verify", str(export), "--checkpoints", str(given), "--key", str(key))
    intact = holdfast(*verify, environ=environ)
    assert (intact.code, "Intact" in intact.stdout) == (0, True)
    first, *rest = export.read_text().splitlines(keepends=True)
    export.write_text("".join(rest))
    assert holdfast(*verify, environ=environ).code == 8, first
    assert holdfast("audit", "bundle", str(folder), environ=environ).code == 2
