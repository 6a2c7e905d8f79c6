"""What is wrong with a command line is said in one line, with a mend, and never by repeating it."""

import json
import re
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast import errors
from holdfast.cli.exits import ENDINGS, MEANINGS, UNEXPECTED, ending_of
from holdfast.cli.main import cli
from holdfast.config import client_variables, variables
from holdfast.errors import HoldfastError
from tests.cli.runner import holdfast


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_every_command_has_help_with_json(command: str) -> None:
    outcome = holdfast(command, "--help")
    assert outcome.code == 0
    assert "--json" in outcome.stdout or "Commands:" in outcome.stdout
    assert outcome.stderr == ""


def test_the_help_lists_all_settings_and_exit_codes() -> None:
    shown = holdfast("help", "settings").stdout
    assert all(variable.name in shown for variable in (*variables(), *client_variables()))
    shown = holdfast("help", "exit-codes").stdout
    assert all(f"  {code} " in shown for code in MEANINGS)


def test_the_help_fits_on_two_screens_and_names_every_command() -> None:
    shown = holdfast("--help").stdout
    assert len(shown.splitlines()) <= 48
    assert all(re.search(rf"\b{name}\b", shown) for name in cli.commands)
    listed = holdfast("help", "commands").stdout
    assert all(re.search(rf"^  {name} ", listed, re.MULTILINE) for name in cli.commands)


def test_help_shows_what_a_command_shows_of_itself() -> None:
    assert holdfast("help", "role", "assign").stdout == holdfast("role", "assign", "--help").stdout
    assert holdfast("help").stdout == holdfast("--help").stdout
    for unknown in (("c4n4ry",), ("get", "c4n4ry"), ("role", "c4n4ry")):
        refused = holdfast("help", *unknown)
        assert (refused.code, "c4n4ry" in refused.stderr) == (2, False)


@pytest.mark.parametrize(
    ("args", "mend"),
    [
        (["set", "db", "c4n4ry"], "set takes no value on the command line"),
        (["set", "db", "--c4n4ry"], "There is no such option."),
        (["set", "db", "-c4n4ry"], "There is no such option."),
        (["set", "db", "--expire", "90d"], "Did you mean --expires?"),
        (["set", "db", "--expires", "c4n4ry"], "--expires is no moment: write 2027-01-31T00:00Z"),
        (["set", "db", "--expires", "2027-01-31"], "--expires has no time zone: write 2027-01-31T00:00Z"),
        (["set", "db", "--expires", "2027-01-31T00:00"], "has no time zone"),
        (["set", "db", "--expires", "999999w"], "is no moment"),
        (["set", "db", "--tag", "c4n4ry"], "--tag must be KEY=VALUE"),
        (["set", "db", "--tag", "a=1", "--tag", "a=2"], "--tag names the same key twice."),
        (["set", "db", "--rotate-every", "c4n4ry"], "--rotate-every must be a whole number from 1 to 3650."),
        (["set", "db", "--auto-rotate"], "need --rotate-every"),
        (["set", "db", "--outside-validity", "c4n4ry"], "must be one of serve, refuse, default."),
        (["set", "db", "--expected-version"], "requires an argument"),
        (["set"], "NAME is missing."),
        (["set", "c4n4ry/db"], "not valid"),
        (["set", "db", "--file", "/c4n4ry"], "--file cannot be read: No such file or directory."),
        (["update", "db"], "needs something to change"),
        (["update", "db", "c4n4ry"], "takes no value on the command line"),
        (["update", "db", "--clear", "expires", "--expires", "90d"], "--clear names something"),
        (["update", "db", "--clear", "c4n4ry"], "--clear must be one of description,"),
        (["get", "db", "c4n4ry"], "more arguments than the command takes"),
        (["get", "db", "--version", "c4n4ry"], "--version must be a number such as 3, or an id of 32 hex digits."),
        (["rollback", "db"], "VERSION is missing."),
        (["rollback", "db", "-1"], "There is no such option."),
        (["grant", "db", "app"], "PERMISSION... is missing."),
        (["history", "db", "--limit", "0"], "--limit must be a whole number from 1 to 1000."),
        (["expiring", "--days", "3651"], "--days must be a whole number from 0 to 3650."),
        (["gte", "db"], "Did you mean get? See"),
        (["search"], "Did you mean holdfast audit search? See"),
        (["serach"], "Did you mean holdfast audit search? See"),
        (["identites"], "Did you mean identity? See"),
        (["ls"], "Did you mean list? See"),
        (["rec"], "Did you mean recover or reconcile? See"),
        (["enrol"], "Did you mean holdfast totp enrol? See"),
        (["key"], "Did you mean keys or holdfast audit key? See"),
        (["audit", "history"], "Did you mean holdfast history? See"),
        (["audit", "lst"], "There is no such command. Choose from acknowledge, bundle,"),
        (["audit", "history", "c4n4ry"], "Did you mean holdfast history?"),
        (["break-glass", "codes", "add"], "Choose from create, list, remove. See"),
        (["context", "add"], "Did you mean holdfast login? See"),
        (["context", "current"], "Did you mean holdfast whoami? See"),
        (["exprot"], "Did you mean export"),
        (["template"], "There is no such command. See: holdfast --help"),
        (["enable"], "Did you mean holdfast identity enable? See"),
        (["ÄÖÜ"], "There is no such command. See: holdfast --help"),
        (["x" * 5000], "There is no such command. See: holdfast --help"),
        (["audit", "search", "--user", "c4n4ry"], "Did you mean --identity? See"),
        (["audit", "search", "--after", "c4n4ry"], "Did you mean --since? See"),
        (["audit", "search", "--naem", "c4n4ry"], "Did you mean --name? See"),
        (["get", "db", "--output", "c4n4ry"], "Did you mean --json? See"),
        (["get", "db", "--username"], "There is no such option. See"),
        (["--jsn", "list"], "Did you mean --json? See"),
        (["list", "--jsno"], "Did you mean --json? See"),
        (["list", "--crea"], "There is no such option."),
        (["c4n4ry"], "There is no such command. See: holdfast --help"),
        (["client", "ad", "x"], "Did you mean add?"),
    ],
)
def test_a_wrong_command_line(args: list[str], mend: str) -> None:
    outcome = holdfast(*args, stdin=b"value")
    assert outcome.code == 2
    assert outcome.stdout == ""
    assert mend in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    if "c4n4ry/db" not in args:  # a name is no secret, and is shown
        assert "c4n4ry" not in outcome.stderr


def test_errors_are_json_where_that_is_asked_for() -> None:
    outcome = holdfast("set", "db", "c4n4ry", "--json")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert json.loads(outcome.stderr)["error"]["code"] == "usage"


def test_broken_settings_are_all_named() -> None:
    outcome = holdfast("get", "db", environ={"HOLDFAST_PORT": "c4n4ry", "HOLDFAST_PROT": "1"})
    assert outcome.code == 9
    assert outcome.stdout == ""
    assert outcome.stderr.splitlines() == [
        "holdfast get: Configuration is unusable:",
        "  - HOLDFAST_PORT must be a whole number from 0 to 65535.",
        "  - HOLDFAST_PROT is not a setting: did you mean HOLDFAST_PORT?",
    ]


@pytest.mark.parametrize(
    ("stdin", "mend"),
    [
        (b"", "--allow-empty"),
        (b"\n", "--allow-empty"),
        (b"\xff", "not UTF-8"),
        (b"x" * 25_603, "longer than 25,600 bytes"),
    ],
)
def test_a_value_that_cannot_be_stored(stdin: bytes, mend: str) -> None:
    outcome = holdfast("set", "db", stdin=stdin)
    assert outcome.code == 2
    assert mend in outcome.stderr


def _all_errors(kind: type[HoldfastError]) -> list[type[HoldfastError]]:
    return [kind, *(each for child in kind.__subclasses__() for each in _all_errors(child))]


def test_every_error_has_an_exit_code_of_its_own_kind() -> None:
    kinds = {kind for kind in _all_errors(HoldfastError) if kind.__module__ == errors.__name__} - {HoldfastError}
    assert kinds >= {errors.Rejected, errors.StartupError}
    for kind in kinds:
        error = kind.__new__(kind)
        assert ending_of(error).code != UNEXPECTED
    assert {ending.code for ending in ENDINGS.values()} <= set(MEANINGS)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(set(cli.commands) - {"serve", "init", "doctor"})),
    st.lists(st.one_of(st.text(max_size=8), st.sampled_from(["--json", "--version", "--tag", "--", "-"])), max_size=5),
)
def test_no_arguments_bring_forth_a_traceback(command: str, args: list[str]) -> None:
    # A broken setting ends every command that parses before it could reach a database.
    outcome = holdfast(command, *args, stdin=b"x", environ={"HOLDFAST_PORT": "broken"})
    assert outcome.code in (0, 2, 9)
    assert "Traceback" not in outcome.stderr


def test_help_is_fast_because_nothing_heavy_is_imported() -> None:
    heavy = ("asyncpg", "azure", "redis", "rich", "cryptography", "uvicorn", "starlette", "holdfast.bootstrap")
    code = f"import sys, holdfast.cli.main; sys.exit(','.join(set(sys.modules) & set({heavy!r})) or 0)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
