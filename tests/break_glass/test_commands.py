"""The commands, against a server with a policy file: codes come from stdin or a prompt, and are shown nowhere else."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from tests.break_glass.support import REASON
from tests.cli.runner import Outcome, holdfast
from tests.cli.terminal import Terminal
from tests.support.postgres import execute
from tests.support.serving import serving

POLICIES = """
[[policy]]
names = "status-*"
approvers = 0
second_factor = true
max_duration_s = 600
"""


class Shell:
    """Commands of people who are logged in at a server."""

    def __init__(self, **environ: str) -> None:
        self.environ, self.tokens = environ, dict[str, str]()

    def env(self, who: str) -> dict[str, str]:
        return {**self.environ, "HOLDFAST_TOKEN": self.tokens[who]}

    def run(self, who: str, *args: str, stdin: str = "") -> Outcome:
        return holdfast(*args, stdin=stdin.encode(), environ=self.env(who))

    def json(self, who: str, *args: str, stdin: str = "") -> dict[str, object]:
        got = self.run(who, *args, "--json", stdin=stdin)
        assert got.code == 0, got
        answer: dict[str, object] = json.loads(got.stdout)
        return answer

    def add(self, who: str) -> None:
        assert self.run("admin", "identity", "add", who, "--kind", "person").code == 0
        self.tokens[who] = str(self.json("admin", "token", "create", who)["token"])


@pytest.fixture
async def shell(database_url: str, data_folder: Path) -> AsyncIterator[Shell]:
    data_folder.mkdir()
    (data_folder / "break-glass.toml").write_text(POLICIES)
    async with serving(database_url, data_folder, HOLDFAST_BREAK_GLASS=str(data_folder / "break-glass.toml")) as server:
        shell = Shell(
            HOLDFAST_ADDR=f"https://127.0.0.1:{server.port}",
            HOLDFAST_CACERT=str(server.ca_file),
            HOME=str(data_folder),
        )
        shell.tokens["admin"] = server.admin_token
        await asyncio.to_thread(prepared, shell)
        yield shell


def prepared(shell: Shell) -> None:
    for name in ("status-page", "payments-db"):
        assert shell.run("admin", "set", name, stdin="c4n4ry").code == 0
    shell.add("erin")


async def test_what_a_person_types_in_an_emergency(shell: Shell, database_url: str) -> None:
    await asyncio.to_thread(by_second_factor, shell, database_url)
    await asyncio.to_thread(by_recovery_codes, shell)


def by_second_factor(shell: Shell, dsn: str) -> None:
    asking = ("break-glass", "request", "status-page", "--reason", REASON)
    uri = str(shell.json("erin", "totp", "enrol")["uri"])
    app = pyotp.TOTP(parse_qs(urlsplit(uri).query)["secret"][0])
    assert shell.run("erin", "totp", "confirm", stdin=app.now()).code == 0
    code = app.at(datetime.now(UTC) + timedelta(seconds=30))
    without = shell.run("erin", *asking)
    assert (without.code, "second factor" in without.stderr) == (2, True)
    assert shell.run("erin", *asking, "--for", "11m", "--second-factor", stdin=code).code == 2
    new = shell.run("erin", *asking, "--second-factor", stdin=code)
    assert (new.code, "less than a day ago" in new.stderr) == (4, True), new
    asyncio.run(execute(dsn, "UPDATE identities SET totp_confirmed_at = now() - interval '25 hours'"))
    code = app.at(datetime.now(UTC) + timedelta(seconds=30))
    granted = shell.run("erin", *asking, "--second-factor", stdin=code)
    assert (granted.code, "is granted until" in granted.stderr) == (0, True), granted
    assert shell.run("erin", *asking, "--second-factor", stdin=code).code == 4
    assert shell.run("erin", "get", "status-page").stdout == "c4n4ry"
    assert shell.run("erin", "get", "payments-db").code == 4


def by_recovery_codes(shell: Shell) -> None:
    made = shell.json("admin", "break-glass", "codes", "create", "payments-*", "--number", "4")
    codes = made["codes"]
    assert isinstance(codes, list)
    ids = [str(shell.json("erin", "break-glass", "request", "payments-db", "--reason", REASON)["id"]) for _ in range(2)]
    refused = shell.run("erin", "break-glass", "redeem", ids[0], stdin=f"{codes[0]}\n{codes[0]}\n")
    assert refused.code == 4
    granted = shell.run("erin", "break-glass", "redeem", ids[0], stdin=f"\n{codes[0].lower()}\n{codes[1]}\n")
    assert (granted.code, "is granted until" in granted.stderr) == (0, True), granted
    assert not [code for code in codes if code in refused.stderr + granted.stderr]
    assert shell.run("erin", "break-glass", "withdraw", ids[0]).code == 0
    with Terminal("break-glass", "redeem", ids[1], environ=shell.env("erin")) as terminal:
        for number, typed in enumerate((codes[2], codes[3], ""), 1):
            terminal.wait_for(f"Code {number}, empty to end: ")
            terminal.type(typed)
        assert terminal.end()[0] == 0
        assert "is granted until" in terminal.shown
        assert not [code for code in codes if code in terminal.shown]
    shown = shell.run("admin", "break-glass", "show", ids[1]).stdout
    assert f"by recovery codes of set {made['id']}; rule break-glass:{ids[1]}" in shown
    assert '"left": 0' in shell.run("admin", "break-glass", "codes", "list", "--json").stdout
