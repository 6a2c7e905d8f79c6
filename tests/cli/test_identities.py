"""Tokens from the command line work on the server, are shown once, and are logged nowhere."""

import json
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.cli.runner import holdfast
from tests.cli.test_serve import facts_of, serving


def status(facts: dict[str, str], token: str) -> int:
    context = ssl.create_default_context(cafile=facts["ca"])
    asked = urllib.request.Request(
        f"{facts['url']}/secrets/db?api-version=7.4", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(asked, context=context, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def stop(process: subprocess.Popen[str]) -> str:
    process.terminate()
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    return out + err


def becomes(facts: dict[str, str], token: str, wanted: int) -> bool:
    """Whether a token comes to be answered so: what another process changed is heard of in a second, or two."""
    for _ in range(100):
        if status(facts, token) == wanted:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("first", ["serve", "init"])
def test_i13_the_first_token_goes_into_a_file_and_not_to_the_output(first: str, data_folder: Path) -> None:
    environ = {"HOLDFAST_DATA_DIR": str(data_folder), "HOLDFAST_PORT": "0", "HOME": str(data_folder.parent)}
    file = data_folder.parent / "token"
    if first == "init":
        done = holdfast("init", "--admin-token-file", str(file), environ=environ)
        said = done.stdout + done.stderr
    else:
        with serving(environ, "--admin-token-file", str(file)) as process:
            facts = facts_of(process)
            said = json.dumps(facts) + stop(process)
            assert facts["admin_token_file"] == str(file)
    token = file.read_text()
    assert token.startswith("holdfast_")
    assert token.endswith("\n")
    assert file.stat().st_mode & 0o777 == 0o600
    assert "holdfast_" not in said
    assert str(file) in said


def test_a_file_for_the_first_token_is_never_one_that_is_there(data_folder: Path) -> None:
    environ = {"HOLDFAST_DATA_DIR": str(data_folder), "HOME": str(data_folder.parent)}
    nowhere = holdfast("init", "--admin-token-file", str(data_folder / "no" / "token"), environ=environ)
    assert (nowhere.code, "no file can be made" in nowhere.stderr, data_folder.exists()) == (2, True, False)
    target = data_folder.parent / "target"
    target.write_text("kept")
    link = data_folder.parent / "link"
    link.symlink_to(target)
    done = holdfast("init", "--admin-token-file", str(link), environ=environ)
    assert target.read_text() == "kept"
    assert "holdfast admin reset" in done.stderr
    assert "holdfast_" not in done.stdout + done.stderr


@pytest.mark.parametrize("first", ["serve", "init"])
def test_the_first_start_shows_the_admin_token_once(first: str, data_folder: Path) -> None:
    environ = {"HOLDFAST_DATA_DIR": str(data_folder), "HOLDFAST_PORT": "0", "HOME": str(data_folder.parent)}
    told = json.loads(holdfast("init", "--json", environ=environ).stdout) if first == "init" else {}
    with serving({**environ, "HOLDFAST_LOG_LEVEL": "debug"}) as process:
        facts = facts_of(process)
        assert ("admin_token" in facts) == (first == "serve")
        token = {**told, **facts}["admin_token"]
        assert token.startswith("holdfast_")
        assert holdfast("set", "db", stdin=b"x", environ=environ).code == 0
        assert status(facts, token) == 200
        reset = json.loads(holdfast("admin", "reset", "--json", environ=environ).stdout)["token"]
        assert becomes(facts, reset, 200)
        assert becomes(facts, token, 401)
        assert holdfast("identity", "add", "app", environ=environ).code == 0
        made = holdfast("token", "create", "app", environ=environ).stdout
        assert becomes(facts, made, 403)
        assert holdfast("grant", "db", "app", "get", environ=environ).code == 0
        assert becomes(facts, made, 200)
        written = stop(process)
    assert not any(each[3:] in written for each in (token, reset, made))
    again = holdfast("init", environ=environ)
    assert "holdfast_" not in again.stdout + again.stderr
