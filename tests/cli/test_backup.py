"""``backup`` and ``restore`` as an operator uses them: from one data folder to another, and with a terminal."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.runner import holdfast
from tests.cli.terminal import Terminal
from tests.support.world import KEY

SHOWN = """\
Backup        <uuid>
Installation  <uuid>
Made at       <time>
By            Holdfast <release>, schema <number>
Takes keys    <key>
Holds         <number> rows in <number> tables, <number> bytes
"""
WHOLE = "The backup is whole: every byte of it authenticates.\n"


def _shown(text: str) -> str:
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<uuid>", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:]+Z", "<time>", text)
    text = re.sub(r"\b[0-9a-f]{16}\b", "<key>", text)
    text = re.sub(r"Holdfast \S+,", "Holdfast <release>,", text)
    return re.sub(r"\b[\d,]+\b", "<number>", text)


def test_a_data_folder_is_backed_up_and_restored_into_another(data_folder: Path) -> None:
    folder = data_folder.parent
    first = {"HOLDFAST_DATA_DIR": str(data_folder), "HOME": str(folder)}
    second = {**first, "HOLDFAST_DATA_DIR": str(folder / "other")}
    file = str(folder / "all.backup")
    assert holdfast("--create", "set", "payments-db", stdin=b"s3cret", environ=first).code == 0
    made = holdfast("backup", file, environ=first)
    assert (made.code, _shown(made.stdout), made.stderr) == (0, SHOWN, WHOLE)

    refused = holdfast("restore", file, environ=second)
    assert refused.code == 9
    assert "FALLBACK_ENCRYPTION_KEY is missing" in refused.stderr
    assert not (folder / "other").exists(), "no key is made up for it"
    (folder / "other").mkdir(mode=0o700)
    shutil.copy(data_folder / "encryption.key", folder / "other")
    assert holdfast("backup", "--verify", file, environ=second).stdout == made.stdout

    declined = holdfast("restore", file, environ=second)
    assert declined.code == 2
    assert "are not known: what they took away counts again" in declined.stderr
    restored = holdfast("restore", file, environ=second, stdin=b"yes\n")
    assert (restored.code, restored.stdout) == (0, made.stdout)
    assert "revoke again" in restored.stderr
    assert holdfast("get", "payments-db", environ=second).stdout == "s3cret"
    again = holdfast("restore", file, "--json", "--yes", environ=second)
    assert again.code == 5
    assert json.loads(again.stderr)["error"]["code"] == "conflict"


def test_i6_a_token_revoked_after_the_backup_is_revoked_again_by_the_trail(
    database_url: str, empty: str, other_empty: str, tmp_path: Path
) -> None:
    file, trail = str(tmp_path / "all.backup"), tmp_path / "trail.jsonl"
    environ = {"DATABASE_URL": database_url, "FALLBACK_ENCRYPTION_KEY": KEY, "HOME": str(tmp_path)}
    holdfast("identity", "add", "app", environ=environ)
    holdfast("token", "create", "app", environ=environ)
    (token,) = json.loads(holdfast("token", "list", "app", "--json", environ=environ).stdout)
    holdfast("backup", file, environ=environ)
    assert holdfast("token", "revoke", token["id"], environ=environ).code == 0
    trail.write_text(holdfast("audit", "export", environ=environ).stdout)
    restore = ("restore", file, "--trail", str(trail), "--yes")

    restored = holdfast(*restore, environ={**environ, "DATABASE_URL": empty})
    assert restored.code == 0
    assert f"Revoked again: token.revoke (token={token['id']} identity=app), by operator:" in restored.stderr
    (after,) = json.loads(holdfast("token", "list", "app", "--json", environ={**environ, "DATABASE_URL": empty}).stdout)
    assert after["revoked_at"]

    undone = holdfast(*restore, "--undo-revocations", "--json", environ={**environ, "DATABASE_URL": other_empty})
    document = json.loads(undone.stdout)
    assert (document["revoked"], [each["item"] for each in document["undone"]]) == ([], [token["id"]])
    assert document["undone"][0]["detail"] == f"token={token['id']} identity=app"


def test_how_far_it_is_is_shown_to_those_who_watch(database_url: str, tmp_path: Path) -> None:
    environ = {"DATABASE_URL": database_url, "FALLBACK_ENCRYPTION_KEY": KEY, "HOME": str(tmp_path)}
    file = str(tmp_path / "all.backup")
    with Terminal("backup", file, environ=environ) as terminal:
        terminal.wait_for("Backing up")
        code, out = terminal.end()
    assert (code, _shown(out)) == (0, SHOWN)
    document = json.loads(holdfast("backup", "--verify", file, "--json", environ=environ).stdout)
    assert document["header"]["backup"] in out
    assert document["size"] == Path(file).stat().st_size
    assert set(document) == {"header", "rows", "size"}
    Path(file).write_bytes(Path(file).read_bytes()[:-1])
    cut = holdfast("backup", "--verify", file, environ=environ)
    assert (cut.code, cut.stdout) == (8, "")
    assert "ends too early" in cut.stderr
    assert "another copy" in cut.stderr
    assert "database" not in cut.stderr


@pytest.mark.parametrize("name", ["/dev/stdin", "-"])
def test_what_is_piped_in_is_verified(name: str, database_url: str, tmp_path: Path) -> None:
    environ = {"DATABASE_URL": database_url, "FALLBACK_ENCRYPTION_KEY": KEY, "HOME": str(tmp_path)}
    file = tmp_path / "all.backup"
    assert holdfast("--create", "backup", str(file), environ=environ).code == 0
    verify = [sys.executable, "-c", "from holdfast.cli.main import main; main()", "backup", "--verify", name, "--json"]
    whole = file.read_bytes()
    done = subprocess.run(verify, check=False, input=whole, capture_output=True, env=environ)
    assert (done.returncode, json.loads(done.stdout)["size"]) == (0, len(whole)), done.stderr
    for wrong, said in ((whole[:-1], b"ends too early"), (b"", b"no backup"), (whole + b"x", b"")):
        done = subprocess.run(verify, check=False, input=wrong, capture_output=True, env=environ)
        assert (done.returncode, done.stdout, said in done.stderr) == (8, b"", True), done.stderr


def test_what_can_be_read_only_once_is_not_restored(empty: str, tmp_path: Path) -> None:
    environ = {"DATABASE_URL": empty, "FALLBACK_ENCRYPTION_KEY": KEY, "HOME": str(tmp_path)}
    os.mkfifo(tmp_path / "pipe")
    refused = holdfast("restore", str(tmp_path / "pipe"), "--yes", environ=environ)
    assert (refused.code, "FILE must be a file on a disk" in refused.stderr) == (2, True)
    lost = holdfast("restore", "x" * 300, "--yes", environ=environ)
    assert (lost.code, "cannot be read" in lost.stderr) == (2, True), "no name of a file is as long"


def test_they_work_on_this_machine_only(tmp_path: Path) -> None:
    environ = {"HOLDFAST_ADDR": "https://127.0.0.1:1", "HOME": str(tmp_path)}
    for command in ("backup", "restore"):
        refused = holdfast(command, str(tmp_path / "all.backup"), environ=environ)
        assert refused.code == 9
        assert "this machine only" in refused.stderr
