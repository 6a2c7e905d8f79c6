"""``holdfast import`` as it is used: files and the environment into an installation, in process and from afar."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from holdfast.crypto.certificates import ServerCertificate, ensure_server_certificate
from holdfast.domain.extras import to_add
from tests.cli.environment import environment
from tests.cli.runner import Outcome, holdfast
from tests.cli.terminal import Terminal
from tests.cli.test_remote import serving
from tests.support.canaries import Sweep, canary
from tests.support.folders import short_folder
from tests.support.kv import TOKEN, KvEngine
from tests.support.server import running

PROGRAM = [sys.executable, "-c", "import sys; from holdfast.cli.main import run; sys.exit(run(sys.argv[1:]))"]


@pytest.fixture
def environ(database_url: str, tmp_path: Path) -> dict[str, str]:
    return environment(database_url, tmp_path)


@pytest.fixture(scope="module")
def certificate() -> Iterator[ServerCertificate]:
    with short_folder() as folder:
        yield ensure_server_certificate(folder / "tls", [], now=datetime.now(UTC))


def dotenv(folder: Path, **values: str) -> str:
    file = folder / ".env"
    file.write_text("".join(f"{name}='{value}'\n" for name, value in values.items()))
    return str(file)


def put(name: str, value: str, environ: dict[str, str]) -> None:
    assert holdfast("set", name, stdin=value.encode(), environ=environ).code == 0


def states(done: Outcome) -> dict[str, tuple[str, int | None]]:
    return {each["source"]: (each["state"], each["version"]) for each in json.loads(done.stdout)["items"]}


def journals(folder: Path) -> list[Path]:
    return list((folder / ".local/state/holdfast/imports").glob("*"))


def test_a_dry_run_tells_everything_and_does_nothing(environ: dict[str, str], tmp_path: Path) -> None:
    put("same", "1", environ)
    put("other", "there", environ)
    file = dotenv(tmp_path, SAME="1", OTHER="here", NEW="3", EMPTY="", LONG="x" * 25_601)
    done = holdfast("import", "file", file, "--dry-run", "--json", environ=environ)
    assert done.code == 5
    assert states(done) == {
        "SAME": ("unchanged", 1),
        "OTHER": ("different", 1),
        "NEW": ("new", None),
        "EMPTY": ("left out", None),
        "LONG": ("conflict", None),
    }
    assert holdfast("get", "new", environ=environ).code == 3
    assert journals(tmp_path) == []


def test_it_stops_before_anything_is_written_and_goes_on_as_told(environ: dict[str, str], tmp_path: Path) -> None:
    put("other", "there", environ)
    file = dotenv(tmp_path, A="1", OTHER="here")
    stopped = holdfast("import", "file", file, environ=environ)
    assert (stopped.code, "nothing was written" in stopped.stderr) == (5, True)
    assert holdfast("get", "a", environ=environ).code == 3
    skipped = holdfast("import", "file", file, "--on-conflict", "skip", "--json", environ=environ)
    assert (skipped.code, states(skipped)) == (0, {"A": ("written", 1), "OTHER": ("different", 1)})
    replaced = holdfast("import", "file", file, "--on-conflict", "new-version", "--json", environ=environ)
    assert (replaced.code, states(replaced)) == (0, {"A": ("unchanged", 1), "OTHER": ("written", 2)})
    assert holdfast("get", "other", "--version", "1", environ=environ).stdout == "there"
    again = holdfast("import", "file", file, environ=environ)
    assert (again.code, "0 secrets were written" in again.stderr) == (0, True)
    assert journals(tmp_path) == []


def test_what_cannot_be_taken_over_is_never_forced(environ: dict[str, str], tmp_path: Path) -> None:
    for name in ("deleted", "disabled"):
        put(name, "there", environ)
    assert holdfast("delete", "deleted", environ=environ).code == 0
    assert holdfast("update", "disabled", "--disable", environ=environ).code == 0
    file = dotenv(tmp_path, A_B="1", a__b="2", DELETED="x", DISABLED="y", FINE="z")
    forced = holdfast("import", "file", file, "--on-conflict", "new-version", "--json", environ=environ)
    assert forced.code == 5
    assert [state for state, _ in states(forced).values()] == [*(4 * ["conflict"]), "new"]
    notes = {each["source"]: each["note"] for each in json.loads(forced.stdout)["items"]}
    assert "a__b" in notes["A_B"]
    assert "recover or purge" in notes["DELETED"]
    skipped = holdfast("import", "file", file, "--on-conflict", "skip", "--json", environ=environ)
    assert (skipped.code, json.loads(skipped.stdout)["written"]) == (0, 1)


@pytest.mark.parametrize("odd", ["\\u0000", "\\ud800"])
def test_what_no_description_can_hold_is_replaced_in_it(odd: str, environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(f'{{"a": "1", "b{odd}c": "2"}}')
    done = holdfast("import", "file", str(tmp_path / "a.json"), environ=environ)
    assert (done.code, holdfast("get", "b-c", environ=environ).stdout) == (0, "2")


def test_a_file_whose_name_is_no_utf_8_is_taken_over(environ: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"odd\xff.env")
    file.write_text("A=1\n")
    done = holdfast("import", "file", str(file), "--json", environ=environ)
    assert (done.code, states(done)) == (0, {"A": ("written", 1)})


def test_names_and_facts_are_given(environ: dict[str, str], tmp_path: Path) -> None:
    mapping = tmp_path / "map.toml"
    mapping.write_text('STRIPE_KEY = "payments-stripe"\nOLD = false\n')
    file = dotenv(tmp_path, STRIPE_KEY="sk", OLD="x", DB="y", NOT_WANTED="z")
    options = ["--map", str(mapping), "--only", "[SDO]*", "--prefix", "app-", "--tag", "team=pay"]
    rotation = ["--rotate-every", "90", "--notify-before", "14"]
    assert holdfast("import", "file", file, *options, *rotation, environ=environ).code == 0
    found = {each["name"]: each for each in json.loads(holdfast("list", "--json", environ=environ).stdout)}
    assert sorted(found) == ["app-db", "payments-stripe"]
    assert found["app-db"]["description"] == "Migrated from .env: DB"
    assert found["app-db"]["tags"] == {"team": "pay"}
    policy = found["app-db"]["rotation_policy"]
    assert (policy["interval_days"], policy["notify_days_before"], policy["auto_rotate"]) == (90, 14, False)


def test_the_environment_by_name_and_by_glob(environ: dict[str, str]) -> None:
    given = {**environ, "APP_A": "1", "APP_B": "2", "ODD": b"\xff".decode(errors="surrogateescape"), "C": "3"}
    assert holdfast("import", "env", "APP_*", "C", environ=given).code == 0
    assert [holdfast("get", name, environ=environ).stdout for name in ("app-a", "app-b", "c")] == ["1", "2", "3"]
    assert holdfast("import", "env", "NONE", environ=given).code == 2
    odd = holdfast("import", "env", "ODD", environ=given)
    assert (odd.code, "not UTF-8" in odd.stdout) == (5, True)


def test_a_glob_does_not_cover_what_holdfast_is_set_up_with(environ: dict[str, str]) -> None:
    done = holdfast("import", "env", "*", "--dry-run", "--json", environ={**environ, "APP_A": "1", "BASE": "x"})
    assert {"APP_A", "BASE"} <= states(done).keys()
    assert not {name for name in states(done) if name.startswith(("HOLDFAST_", "DATABASE_", "FALLBACK_"))}
    assert "DATABASE_URL" in states(holdfast("import", "env", "DATABASE_URL", "--dry-run", "--json", environ=environ))


def test_a_pipe_is_a_file_too(environ: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [*PROGRAM, "import", "file", "/dev/stdin", "--format", "json"],
        input=b'{"a": "1"}',
        env={**os.environ, **environ},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, b"1 secrets were written" in done.stderr) == (0, True)


def test_a_refusal_in_the_middle_names_its_place(
    database_url: str, tmp_path: Path, certificate: ServerCertificate
) -> None:
    with serving(database_url, tmp_path, certificate) as admin:
        assert holdfast("identity", "add", "mover", environ=admin).code == 0
        assert holdfast("grant", "*", "mover", "get", environ=admin).code == 0
        assert holdfast("grant", "a*", "mover", "set", environ=admin).code == 0
        token = holdfast("token", "create", "mover", environ=admin).stdout.strip()
        file = dotenv(tmp_path, A="1", B="2", AC="3")
        done = holdfast("import", "file", file, environ={**admin, "HOLDFAST_TOKEN": token})
        assert (done.code, "It stopped at b." in done.stderr) == (4, True)
        assert holdfast("grant", "b", "mover", "set", environ=admin).code == 0
        again = holdfast("import", "file", file, "--json", environ={**admin, "HOLDFAST_TOKEN": token})
        assert states(again) == {"A": ("unchanged", 1), "B": ("written", 1), "AC": ("written", 1)}


@pytest.mark.parametrize(
    ("module", "command", "extra"),
    [("yaml", ("import", "file", "a.yaml"), "yaml"), ("kingfisher_sdk", ("scan", "."), "scan")],
)
def test_a_missing_extra_is_said(
    module: str, command: tuple[str, ...], extra: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text("a: 1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)
    for each in ("holdfast.importing.yaml", "holdfast.scanning.engine"):
        monkeypatch.delitem(sys.modules, each, raising=False)
    done = holdfast(*command, environ={"HOME": str(tmp_path)})
    assert (done.code, to_add(extra) in done.stderr) == (9, True)


def test_from_afar_with_grants_of_its_own(database_url: str, tmp_path: Path, certificate: ServerCertificate) -> None:
    with serving(database_url, tmp_path, certificate) as admin:
        assert holdfast("identity", "add", "mover", environ=admin).code == 0
        assert holdfast("grant", "app-*", "mover", "get", "set", environ=admin).code == 0
        put("b", "there", admin)
        token = holdfast("token", "create", "mover", environ=admin).stdout.strip()
        mover = {**admin, "HOLDFAST_TOKEN": token}
        file = dotenv(tmp_path, A="1", B="2")
        refused = holdfast("import", "file", file, "--json", environ=mover)
        assert (refused.code, states(refused)) == (5, {"A": ("conflict", None), "B": ("conflict", None)})
        done = holdfast("import", "file", file, "--prefix", "app-", "--json", environ=mover)
        assert (done.code, states(done)) == (0, {"A": ("written", 1), "B": ("written", 1)})
        assert holdfast("get", "app-b", environ=admin).stdout == "2"


def test_i13_values_are_nowhere_but_in_the_store(environ: dict[str, str], tmp_path: Path) -> None:
    sweep = Sweep()
    value = sweep.mark("value", canary())
    put("other", "there", environ)
    file = dotenv(tmp_path, NEW=value, OTHER=value, LONG=400 * value)
    for options in (["--dry-run"], [], ["--on-conflict", "skip", "--json"], ["--on-conflict", "new-version"]):
        done = holdfast("import", "file", file, *options, environ={**environ, "HOLDFAST_LOG_LEVEL": "debug"})
        sweep.saw(str(options), done.stdout, done.stderr)
    listed = holdfast("list", "--json", environ=environ)
    sweep.saw("listing", listed.stdout)
    assert holdfast("get", "new", environ=environ).stdout == value
    assert sweep.hits() == []


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("wrapped.env", "K={0}\n{1}==\n"),
        ("null.env", "K={0}\n{1}\n"),
        ("behind.env", "K=\n{0}=\n"),
        ("backtick.env", "K=`{0}\n{1}\n`\n"),
        ("sops.yaml", "k: ENC[AES256_GCM,data:{0}]\nsops: {{mac: {1}}}\n"),
        ("vault.yml", "$ANSIBLE_VAULT;1.1;AES256\n{0}\n{1}\n"),
        ("several.yaml", "a: {0}\n---\nb: {1}\n"),
        ("wrong.yaml", 'apiVersion: v1\nkind: Secret\nmetadata: {{name: db}}\ndata: {{k: "{0}!", l: "{1}!"}}\n'),
    ],
)
def test_i13_what_is_refused_is_not_shown(name: str, form: str, environ: dict[str, str], tmp_path: Path) -> None:
    sweep = Sweep()
    values = [sweep.mark(each, 2 * canary()) for each in ("first", "second")]
    (tmp_path / name).write_text(form.format(*values))
    for options in ([], ["--json"], ["--allow-empty"], ["--dry-run"]):
        done = holdfast(
            "import", "file", str(tmp_path / name), *options, environ={**environ, "HOLDFAST_LOG_LEVEL": "debug"}
        )
        assert done.code in {2, 5}
        sweep.saw(str(options), done.stdout, done.stderr)
    sweep.saw("listing", holdfast("list", "--json", environ=environ).stdout)
    assert sweep.hits() == []


def test_a_bar_shows_how_far_it_is(environ: dict[str, str], tmp_path: Path) -> None:
    file = dotenv(tmp_path, **{f"K{number}": "v" for number in range(5)})
    with Terminal("import", "file", file, environ=environ) as terminal:
        terminal.wait_for("Writing")
        assert terminal.end()[0] == 0


async def test_a_kv_engine_by_the_command(
    database_url: str, tmp_path: Path, certificate: ServerCertificate, environ: dict[str, str]
) -> None:
    engine = KvEngine({"": {"app/db": {"user": "u", "password": "p"}}}, {"app/db": {"team": "pay"}})
    async with running(engine, certificate) as port:
        address = f"https://127.0.0.1:{port}"
        given = {**environ, "VAULT_TOKEN": TOKEN, "HOLDFAST_SOURCE_CA": str(certificate.ca_file)}

        def run(*options: str, **more: str) -> Outcome:
            return holdfast("import", "kv", address, *options, environ={**given, **more})

        done = await asyncio.to_thread(run, "--json")
        assert states(done) == {"app/db.user": ("written", 1), "app/db.password": ("written", 1)}
        again = await asyncio.to_thread(run, "--json")
        assert states(again) == {"app/db.user": ("unchanged", 1), "app/db.password": ("unchanged", 1)}
        assert (await asyncio.to_thread(run, "--fields", "json")).code == 0
        wrong = await asyncio.to_thread(run, HOLDFAST_SOURCE_TOKEN="another")
        assert (wrong.code, "refuses the token" in wrong.stderr) == (7, True)
    listed = json.loads((await asyncio.to_thread(holdfast, "list", "--json", environ=environ)).stdout)
    assert {each["name"]: (each["content_type"], each["tags"]) for each in listed} == {
        "app-db": ("application/json", {"team": "pay"}),
        "app-db-password": (None, {"team": "pay"}),
        "app-db-user": (None, {"team": "pay"}),
    }
    assert holdfast("import", "kv", address, environ=environ).code == 9
    assert holdfast("import", "kv", "http://127.0.0.1", environ=given).code == 2
