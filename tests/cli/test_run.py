"""``holdfast run``, as processes: what the started one has, what it is told, how it ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from holdfast.crypto.certificates import ServerCertificate, ensure_server_certificate
from tests.cli.environment import environment
from tests.cli.runner import holdfast
from tests.cli.terminal import Terminal
from tests.cli.test_remote import serving
from tests.support.canaries import Sweep, canary
from tests.support.folders import short_folder

PROGRAM = [sys.executable, "-c", "import sys; from holdfast.cli.main import main; sys.exit(main())"]
SHOW = [sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"]


@pytest.fixture
def environ(database_url: str, tmp_path: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], **environment(database_url, tmp_path)}


@pytest.fixture(scope="module")
def certificate() -> Iterator[ServerCertificate]:
    with short_folder() as folder:
        yield ensure_server_certificate(folder / "tls", [], now=datetime.now(UTC))


def run(*args: str, environ: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*PROGRAM, "run", *args], env=environ, capture_output=True, text=True, timeout=60, check=False
    )


def mapped(folder: Path, *lines: str) -> list[str]:
    file = folder / "secrets.toml"
    file.write_text("\n".join(lines))
    return ["--map", str(file)]


def test_the_process_has_its_secrets_and_nothing_of_ours(environ: dict[str, str], tmp_path: Path) -> None:
    for value in ("first", "second"):
        assert holdfast("set", "db-password", stdin=value.encode(), environ=environ).code == 0
    options = mapped(tmp_path, 'NOW = "DB-Password"', 'THEN = { secret = "db-password", version = 1 }')
    done = run(*options, "--", *SHOW, environ={**environ, "KEPT": "yes"})
    assert (done.returncode, done.stderr) == (0, "")
    shown = json.loads(done.stdout)
    assert (shown["NOW"], shown["THEN"], shown["KEPT"]) == ("second", "first", "yes")
    assert {name for name in shown if name.startswith(("HOLDFAST_", "FALLBACK_", "DATABASE_"))} == set()


def test_only_what_is_named_is_read_and_is_on_record(environ: dict[str, str]) -> None:
    for name in ("pay-db", "pay-key", "other"):
        assert holdfast("set", name, stdin=name.encode(), environ=environ).code == 0
    shown = json.loads(run("--secret", "pay-*", *SHOW, environ=environ).stdout)
    assert {name: shown.get(name) for name in ("PAY_DB", "PAY_KEY", "OTHER")} == {
        "PAY_DB": "pay-db",
        "PAY_KEY": "pay-key",
        "OTHER": None,
    }
    reads = {name: holdfast("history", name, environ=environ).stdout.count(" get ") for name in ("pay-db", "other")}
    assert reads == {"pay-db": 1, "other": 0}


@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("kill -TERM $$", -signal.SIGTERM)])
def test_the_end_of_the_process_is_passed_on(script: str, code: int, environ: dict[str, str]) -> None:
    assert holdfast("set", "db", stdin=b"x", environ=environ).code == 0
    assert run("--secret", "db", "--", "sh", "-c", script, environ=environ).returncode == code


def test_a_pipe_that_closes_ends_it_as_it_would_without_us(environ: dict[str, str]) -> None:
    assert holdfast("set", "db", stdin=b"x", environ=environ).code == 0
    ignored = run("--secret", "db", "--", "sh", "-c", "grep SigIgn /proc/$$/status", environ=environ).stdout.split()[1]
    assert not int(ignored, 16) & (1 << (signal.SIGPIPE - 1))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGWINCH])
def test_signals_arrive_at_a_terminal(number: signal.Signals, environ: dict[str, str]) -> None:
    assert holdfast("set", "db", stdin=b"x", environ=environ).code == 0
    script = f"trap 'exit 9' {number.name[3:]}; echo ready >&2; while :; do sleep 0.05; done"
    with Terminal("run", "--secret", "db", "--", "sh", "-c", script, environ=environ) as terminal:
        terminal.wait_for("ready")
        terminal.process.send_signal(number)
        assert terminal.end()[0] == 9


def test_nothing_starts_when_a_secret_is_missing(environ: dict[str, str], tmp_path: Path) -> None:
    assert holdfast("set", "db", stdin=b"x", environ=environ).code == 0
    started = tmp_path / "started"
    options = mapped(tmp_path, 'A = "db"', 'B = "no-such"')
    done = run(*options, "--", "touch", str(started), environ=environ)
    assert (done.returncode, started.exists()) == (3, False)
    assert "'no-such'" in done.stderr


def test_a_command_that_is_not_there_is_found_out_before_anything_is_read(
    environ: dict[str, str], tmp_path: Path
) -> None:
    assert holdfast("set", "db", stdin=b"x", environ=environ).code == 0
    for command in ("no-such-command", "./no-such-command", "./" + "x" * 300):
        assert run("--secret", "db", "--", command, environ=environ).returncode == 127
    assert " get " not in holdfast("history", "db", environ=environ).stdout
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF")
    broken.chmod(0o600)
    for command, path in ((str(broken), ""), (str(tmp_path), ""), ("broken", f":{tmp_path}")):
        options = {**environ, "PATH": environ["PATH"] + path}
        assert run("--secret", "db", "--", command, environ=options).returncode == 126
    assert " get " not in holdfast("history", "db", environ=environ).stdout
    broken.chmod(0o700)
    unknown = run("--secret", "db", "--", str(broken), environ=environ)
    assert (unknown.returncode, f"run: sh {broken}" in unknown.stderr) == (126, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [("#!/nonexistent/sh\n", "#! line"), ("#!/bin/sh\r\necho\r\n", "Windows line ends"), ("echo\n", "run: sh ")],
)
def test_a_script_that_the_system_cannot_start_is_told_why(
    text: str, said: str, environ: dict[str, str], tmp_path: Path
) -> None:
    assert holdfast("--create", "set", "db", stdin=b"x", environ=environ).code == 0
    script = tmp_path / "script"
    script.write_text(text)
    script.chmod(0o755)
    done = run("--secret", "db", "--", str(script), environ=environ)
    assert (done.returncode, done.stdout, said in done.stderr) == (126, "", True), done.stderr
    assert "its path, its mode" not in done.stderr


def test_an_environment_that_is_too_large_is_told_with_its_size(environ: dict[str, str]) -> None:
    assert holdfast("set", "db", stdin=b"x", environ=environ).code == 0
    program = (
        "import os, sys; os.environ.update((f'PAD_{n}', 'x' * 100_000) for n in range(80)); "
        "sys.argv[1:] = ['run', '--secret', 'db', '--', 'true']; from holdfast.cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 126
    assert "its environment has 8,0" in done.stderr
    assert "--only" in done.stderr


def test_an_application_runs_with_its_own_token_and_does_not_keep_it(
    database_url: str, tmp_path: Path, certificate: ServerCertificate
) -> None:
    with serving(database_url, tmp_path, certificate) as admin:
        for name in ("app-db", "foreign"):
            assert holdfast("set", name, stdin=name.encode(), environ=admin).code == 0
        assert holdfast("identity", "add", "app", environ=admin).code == 0
        assert holdfast("grant", "app-db", "app", "get", environ=admin).code == 0
        token = holdfast("token", "create", "app", environ=admin).stdout.strip()
        own = {**admin, "PATH": os.environ["PATH"], "HOLDFAST_TOKEN": token, "DATABASE_URL": "postgresql://its-own"}
        asked = ["--secret", "app-db", "--keep", "DATABASE_URL"]
        done = run(*asked, "--", *SHOW, environ={**own, "REDIS_URL": "redis://its-own"})
        shown = json.loads(done.stdout)
        assert (shown["APP_DB"], shown["DATABASE_URL"], shown.get("REDIS_URL")) == ("app-db", own["DATABASE_URL"], None)
        assert "Not passed on" in done.stderr
        assert "REDIS_URL" in done.stderr
        assert token not in done.stdout + done.stderr
        former = mapped(tmp_path, 'A = { secret = "app-db", stage = "previous" }')
        assert run(*former, "--", "true", environ=own).returncode == 3
        refused = run("--secret", "app-db", "--secret", "foreign", "--", *SHOW, environ=own)
        assert (refused.returncode, refused.stdout) == (4, "")


def test_i13_values_are_in_the_environment_only(environ: dict[str, str], tmp_path: Path) -> None:
    sweep = Sweep()
    value = sweep.mark("value", canary("'\"$"))
    assert holdfast("set", "db", stdin=value.encode(), environ=environ).code == 0
    lines = ["sh", "-c", 'cat /proc/$$/cmdline; test -n "$DB" && echo there']
    done = run("--secret", "db", "--", *lines, environ=environ)
    assert done.stdout.endswith("there\n")
    sweep.saw("output and arguments", done.stdout, done.stderr)
    wrong = run(*mapped(tmp_path, f"DB = {json.dumps(value)}"), "--", "true", environ=environ)
    assert wrong.returncode == 2
    torn = run(*mapped(tmp_path, f"DB = {value}"), "--", "true", environ=environ)
    assert torn.returncode == 2
    sweep.saw("errors", wrong.stderr, torn.stderr)
    assert sweep.hits() == []


def test_no_secret_of_others_steers_the_process(environ: dict[str, str]) -> None:
    for name in ("pay-db", "ld-preload"):
        assert holdfast("set", name, stdin=b"x", environ=environ).code == 0
    alone = run("--secret", "*", "--", "true", environ=environ)
    assert (alone.returncode, "prefix of your own" in alone.stderr) == (2, True)
    done = run("--secret", "ld-preload", "--", "true", environ=environ)
    assert (done.returncode, "LD_PRELOAD" in done.stderr) == (2, True)
    narrowed = run("--secret", "pay-*", "--", "sh", "-c", 'test -n "$PAY_DB"', environ=environ)
    assert narrowed.returncode == 0
    assert " get " not in holdfast("history", "ld-preload", environ=environ).stdout


def test_what_is_set_is_replaced_only_when_told_so(environ: dict[str, str], tmp_path: Path) -> None:
    assert holdfast("set", "log-level", stdin=b"secret", environ=environ).code == 0
    environ |= {"LOG_LEVEL": "debug"}
    refused = run("--secret", "log-level", "--", *SHOW, environ=environ)
    assert (refused.returncode, refused.stdout, "--replace" in refused.stderr) == (2, "", True)
    shown = run(*mapped(tmp_path, 'LOG_LEVEL = "log-level"'), "--replace", "--", *SHOW, environ=environ).stdout
    assert json.loads(shown)["LOG_LEVEL"] == "secret"


def test_a_variable_of_ours_may_be_mapped_or_kept(environ: dict[str, str]) -> None:
    assert holdfast("set", "app-db", stdin=b"its-own", environ=environ).code == 0
    shown = run("--secret", "DATABASE_URL=app-db", "--keep", "HOLDFAST_DATA_DIR", "--", *SHOW, environ=environ).stdout
    found = json.loads(shown)
    assert (found["DATABASE_URL"], found["HOLDFAST_DATA_DIR"]) == ("its-own", environ["HOLDFAST_DATA_DIR"])


def test_values_are_utf_8_whatever_the_locale_and_no_nul_is_cut(environ: dict[str, str]) -> None:
    assert holdfast("set", "db", stdin="pä€🙂\nzwei".encode(), environ=environ).code == 0
    show = [sys.executable, "-c", "import os; print(os.environb[b'DB'].hex())"]
    latin = run("--secret", "db", "--", *show, environ={**environ, "LC_ALL": "C", "PYTHONUTF8": "0"})
    assert bytes.fromhex(latin.stdout).decode() == "pä€🙂\nzwei"
    assert holdfast("set", "cut", stdin=b"a\0b", environ=environ).code == 0
    refused = run("--secret", "cut", "--", *show, environ=environ)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "NUL" in refused.stderr


def test_no_file_of_ours_is_open_in_the_process(environ: dict[str, str]) -> None:
    assert holdfast("set", "db", stdin=b"x", environ=environ).code == 0
    show = [sys.executable, "-c", "import os; print(sorted(map(int, os.listdir('/proc/self/fd')))[:-1])"]
    assert run("--secret", "db", "--", *show, environ=environ).stdout == "[0, 1, 2]\n"


def test_options_of_the_command_are_its_own(environ: dict[str, str]) -> None:
    assert holdfast("set", "db", stdin=b"x", environ=environ).code == 0
    done = run("--secret", "db", "echo", "--json", "--secret", "--help", environ=environ)
    assert (done.stdout, done.stderr) == ("--json --secret --help\n", "")
