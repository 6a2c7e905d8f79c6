"""``holdfast scan``: what it finds in real files, that it shows no value, and what it offers to do about it."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.names import canonical_name
from holdfast.domain.secret import SecretValue
from holdfast.scanning.context import assigned_to, replacement
from holdfast.scanning.findings import Finding, named, numbered
from tests.cli.environment import environment
from tests.cli.runner import Outcome, holdfast
from tests.cli.terminal import Terminal
from tests.support.canaries import Sweep

PASSWORD = "correct-horse-" + "9-battery"
STRIPE = "sk" + "_live_" + "51H8xk2LkjhGFDSAqwertyuiopZXCVBNMasdf1234"
ADDRESS = "postgresql://fleet:" + "S3cr3tPassw0rd@db.internal:5432/fleet"
_LINE = "MIIEpAIBAAKCAQEA7vX9q2lK4s8Fh3ZyTnQwUe5R6pJd1mBoCgYkWxLzVtNiHfGa\n"
KEY = "-----BEGIN RSA " + "PRIVATE KEY-----\n" + 16 * _LINE + "-----END RSA " + "PRIVATE KEY-----"


@pytest.fixture
def environ(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The compiled rules are kept for all processes of the tests."""
    rules = tmp_path_factory.getbasetemp().parent / "rules"
    rules.mkdir(mode=0o700, exist_ok=True)
    return {"HOME": str(tmp_path), "KF_RULE_CACHE_DIR": str(rules)}


def tree(folder: Path, **files: str | bytes) -> Path:
    for name, text in files.items():
        file = folder / "tree" / name.replace("__", "/").replace("_dot_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / "tree"


def found(done: Outcome) -> dict[str, dict[str, str]]:
    return {f"{each['path']}:{each['line']}": each for each in json.loads(done.stdout)["findings"]}


def test_each_language_and_what_to_write_instead(tmp_path: Path, environ: dict[str, str]) -> None:
    root = tree(
        tmp_path,
        a_dot_py=f'import os\n\nDB_PASSWORD = "{PASSWORD}"\nurl = "{ADDRESS}"\n',
        b_dot_ts=f'const stripeKey = "{STRIPE}";\n',
        c_dot_yaml=f"database:\n  password: {PASSWORD}x\n",
        d_dot_sh=f"export API_TOKEN='{PASSWORD}y'\n",
        E_dot_java=f'  private String apiKey = "{PASSWORD}z";\n',
        f_dot_go=f'clientSecret := "{PASSWORD}g"\n',
        g_dot_cs=f'var oldPassword = "{PASSWORD}c";\n',
        h_dot_json=f'{{"api_key": "{PASSWORD}j"}}\n',
        _dot_env=f"SMTP_PASSWORD={PASSWORD}e\n",
        i_dot_pem=KEY,
    )
    done = holdfast("scan", str(root), "--json", environ=environ)
    assert done.code == 1
    instead = {place: each["instead"] for place, each in found(done).items()}
    assert instead == {
        ".env:1": "SMTP_PASSWORD=${SMTP_PASSWORD}",
        "E.java:1": 'apiKey = System.getenv("E_API_KEY")',
        "a.py:3": 'DB_PASSWORD = (await service.get_secret("db-password")).value',
        "a.py:4": 'url = (await service.get_secret("a-url")).value',
        "b.ts:1": "stripeKey = process.env.STRIPE_KEY",
        "c.yaml:2": "password: ${C_PASSWORD}",
        "d.sh:1": 'API_TOKEN="$API_TOKEN"',
        "f.go:1": 'clientSecret := os.Getenv("CLIENT_SECRET")',
        "g.cs:1": 'oldPassword = Environment.GetEnvironmentVariable("OLD_PASSWORD")',
        "h.json:1": '"api_key": "${H_API_KEY}"',
        "i.pem:1": "the environment variable I_PRIVATE_KEY",
    }


def test_what_is_no_secret_is_not_reported(tmp_path: Path, environ: dict[str, str]) -> None:
    lines = (
        'password = os.environ["DB_PASSWORD"]\npassword = get_password(user)\ntoken_name = "access_token"\n'
        'API_KEY = "your-api-key-here"\nSECRET = "changeme-123"\nPASSWORD = "${DB_PASSWORD}"\n'
        'url = f"postgresql://{user}:{password}@db/x"\nPASSWORD_FIELD = "password"\nTOKEN_URL = "https://x.y/token2"\n'
    )
    root = tree(tmp_path, a_dot_py=lines, b_dot_yaml="password: ${DB_PASSWORD}\nsecret: *anchor\ntoken:\n  name: x\n")
    done = holdfast("scan", str(root), environ=environ)
    assert (done.code, done.stdout) == (0, "")


def test_files_that_are_not_looked_into(tmp_path: Path, environ: dict[str, str]) -> None:
    line = f'PASSWORD = "{PASSWORD}"\n'
    root = tree(
        tmp_path,
        _dot_gitignore="local.py\n",
        local_dot_py=line,
        shown_dot_py=line,
        binary_dot_py=b"\0" + line.encode(),
        large_dot_py=line + "#" * 5_000_001,
        _dot_git__config="",
    )
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    (root / "link.py").symlink_to(root / "shown.py")
    done = holdfast("scan", str(root), "--json", environ=environ)
    assert list(found(done)) == ["shown.py:1"]
    assert json.loads(done.stdout)["skipped"] == [
        {"path": "binary.py", "reason": "it is binary"},
        {"path": "large.py", "reason": "it is larger than 5,000,000 bytes"},
    ]
    named_by_hand = holdfast("scan", str(root / "local.py"), "--json", environ=environ)
    assert list(found(named_by_hand)) == ["local.py:1"]
    assert holdfast("scan", str(root / "none"), environ=environ).code == 2


def test_a_file_that_cannot_be_judged_is_no_clean_one(
    tmp_path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tree(tmp_path, a_dot_py='password="x1y2z3w4" ' * 20_000)
    monkeypatch.setattr("holdfast.scanning.engine.PATIENCE_S", 0.001)
    done = holdfast("scan", str(root), environ=environ)
    assert (done.code, done.stdout, "Skipped a.py: it takes too long." in done.stderr) == (1, "", True)


def test_a_baseline_holds_places_and_no_trace_of_values(tmp_path: Path, environ: dict[str, str]) -> None:
    root = tree(tmp_path, a_dot_py=f'DB_PASSWORD = "{PASSWORD}"\n')
    file = tmp_path / "baseline.json"
    assert holdfast("scan", str(root), "--accept", environ=environ).code == 2
    assert holdfast("scan", str(root), "--baseline", str(file), environ=environ).code == 2
    assert holdfast("scan", str(root), "--baseline", str(file), "--accept", environ=environ).code == 0
    accepted = file.read_text()
    (root / "a.py").write_text(f'\n\n# moved\nDB_PASSWORD = "{PASSWORD[::-1]}"\n')
    moved = holdfast("scan", str(root), "--baseline", str(file), "--json", environ=environ)
    assert (moved.code, json.loads(moved.stdout)["accepted"]) == (0, 1)
    holdfast("scan", str(root), "--baseline", str(file), "--accept", environ=environ)
    assert file.read_text() == accepted, "the value takes no part in it"
    (root / "a.py").write_text(2 * f'DB_PASSWORD = "{PASSWORD}"\n')
    another = holdfast("scan", str(root), "--baseline", str(file), "--json", environ=environ)
    assert (another.code, list(found(another))) == (1, ["a.py:2"])
    file.write_text("[]")
    assert holdfast("scan", str(root), "--baseline", str(file), environ=environ).code == 2


def test_findings_are_taken_over(database_url: str, tmp_path: Path, environ: dict[str, str]) -> None:
    environ = {**environ, **environment(database_url, tmp_path)}
    text = f'DB_PASSWORD = "{PASSWORD}"\nSTRIPE = "{STRIPE}"\nAGAIN_PASSWORD = "{PASSWORD}"\n'
    root = tree(tmp_path, a_dot_py=text)
    ids = {place: each["id"] for place, each in found(holdfast("scan", str(root), "--json", environ=environ)).items()}
    dry = holdfast("scan", str(root), "--take", "all", "--dry-run", environ=environ)
    assert (dry.code, "2 new" in dry.stderr) == (0, True)
    one = holdfast("scan", str(root), "--take", ids["a.py:2"], "--tag", "team=pay", environ=environ)
    assert one.code == 0
    assert holdfast("get", "stripe", environ=environ).stdout == STRIPE
    assert holdfast("get", "db-password", environ=environ).code == 3
    assert holdfast("scan", str(root), "--take", "0" * 12, environ=environ).code == 2
    with Terminal("scan", str(root), "--import", environ=environ) as terminal:
        for place, answer in (("a.py:1", "y"), ("a.py:2", "n"), ("a.py:3", "n")):
            terminal.wait_for(f"{place}, ")
            terminal.wait_for("[y/N]: ")
            terminal.shown = ""
            terminal.type(answer)
        assert terminal.end()[0] == 0
    assert holdfast("get", "db-password", environ=environ).stdout == PASSWORD
    listed = json.loads(holdfast("list", "--json", environ=environ).stdout)
    assert [each["description"] for each in listed] == ["Migrated from a.py:1", "Migrated from a.py:2"]


def test_what_is_written_with_escapes_is_left_to_a_person(
    database_url: str, tmp_path: Path, environ: dict[str, str]
) -> None:
    environ = {**environ, **environment(database_url, tmp_path)}
    root = tree(tmp_path, a_dot_py=f'KEY = "{KEY}"\n'.replace("\n", "\\n"))
    done = holdfast("scan", str(root), "--take", "all", environ=environ)
    assert (done.code, "by hand" in done.stderr) == (0, True)
    assert holdfast("list", "--json", environ=environ).stdout.strip() == "[]"


def test_i13_no_value_is_shown(tmp_path: Path, environ: dict[str, str]) -> None:
    sweep = Sweep()
    for each in (PASSWORD, STRIPE, ADDRESS):
        sweep.mark(each[:4], each)
    text = f'DB_PASSWORD = "{PASSWORD}"; STRIPE = "{STRIPE}"; url = "{ADDRESS}"\n'
    root = tree(tmp_path, a_dot_py=text, b_dot_yaml=f"password: {PASSWORD}\n")
    file = tmp_path / "baseline.json"
    for options in ([], ["--json"], ["--baseline", str(file), "--accept"]):
        done = holdfast("scan", str(root), *options, environ={**environ, "HOLDFAST_LOG_LEVEL": "debug"})
        sweep.saw(str(options), done.stdout, done.stderr)
    sweep.saw("baseline", file.read_text())
    assert len(json.loads(file.read_text())["accepted"]) == 4
    assert sweep.hits() == []


def test_i13_a_secret_before_another_is_not_taken_for_its_variable(tmp_path: Path, environ: dict[str, str]) -> None:
    token = "gh" + "p_" + "cieSsGokbl0C9KEcmPMmGvzypGLTOek4ZFfb"
    root = tree(
        tmp_path,
        a_dot_py=f'login = "{token}:{STRIPE}"\n',
        b_dot_env=f"TOKENS={token}={STRIPE}\n",
        c_dot_py=f'login = "{PASSWORD}:{STRIPE}"\n',
        d_dot_py=f'url = "https://{PASSWORD}:{STRIPE}@api.internal/"\n',
    )
    file = tmp_path / "baseline.json"
    shown = ""
    for options in ([], ["--json"], ["--baseline", str(file), "--accept"]):
        done = holdfast("scan", str(root), *options, environ=environ)
        shown += done.stdout + done.stderr
    shown += file.read_text()
    assert "stripe" in shown
    assert [each for each in (token, STRIPE, PASSWORD) if each[:12] in shown] == []


def test_a_file_name_that_is_no_utf_8_ends_no_scan(tmp_path: Path, environ: dict[str, str]) -> None:
    root = tree(tmp_path, a_dot_py=f'DB_PASSWORD = "{PASSWORD}"\n')
    for odd in (b"odd\xff.py", b"odd\xfe.py"):
        (root / os.fsdecode(odd)).write_text(f'DB_PASSWORD = "{PASSWORD}"\n')
    done = holdfast("scan", str(root), "--json", environ=environ)
    assert (done.code, sorted(found(done))) == (1, ["a.py:1", "odd\\xfe.py:1", "odd\\xff.py:1"])
    assert len({each["id"] for each in found(done).values()}) == 3


def test_what_is_neither_file_nor_folder_is_not_clean(tmp_path: Path, environ: dict[str, str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = holdfast("scan", str(tmp_path / "pipe"), environ=environ)
    assert (done.code, "name a file or a folder" in done.stderr) == (2, True)


def test_a_hostile_file_name_writes_no_terminal_sequence(tmp_path: Path, environ: dict[str, str]) -> None:
    root = tree(tmp_path, **{"\x1b[31mred_dot_py": f'PASSWORD = "{PASSWORD}"\n'})
    done = holdfast("scan", str(root), environ=environ)
    assert (done.code, "\x1b" in done.stdout + done.stderr) == (1, False)


@given(st.lists(st.tuples(st.sampled_from(["password", "DB_PASSWORD", "db-password", "x", ""]), st.text()), max_size=8))
def test_a_name_stands_for_one_value(pairs: list[tuple[str, str]]) -> None:
    findings = named(
        numbered(
            Finding(
                path="a.py",
                line=1,
                kind="k.kind",
                meaning="",
                confidence="low",
                value=SecretValue(value),
                variable=variable,
            )
            for variable, value in pairs
        )
    )
    by_name = {(each.name, each.value.reveal()) for each in findings}
    assert len({name for name, _ in by_name}) == len(by_name) == len({value for _, value in pairs})
    assert all(each.name == canonical_name(each.name) for each in findings)
    assert len({each.id for each in findings}) == len(findings)


@pytest.mark.parametrize(
    ("before", "variable"),
    [
        ('DB_PASSWORD = "', "DB_PASSWORD"),
        ('  "api-key": "', "api-key"),
        ("export A=", "A"),
        ("const a: string = '", "a"),
        ('x["secret"] = "', "secret"),
        ('call("', ""),
        ('x = "name:', ""),
        ('x = "Password=', "Password"),
        ("https://name:", ""),
        ('{"name": "', "name"),
        ("x" * 100_000 + ' = "', "x" * 100),
    ],
)
def test_the_variable_of_a_line(before: str, variable: str) -> None:
    assert assigned_to(before) == variable


def test_a_replacement_names_the_variable_that_run_fills() -> None:
    assert replacement("a.rb", "key", canonical_name("db-key")) == 'key = ENV.fetch("DB_KEY")'


def test_an_empty_path_is_no_wish_to_scan_all_there_is_here(tmp_path: Path) -> None:
    outcome = holdfast("scan", "", environ={"HOME": str(tmp_path)})
    assert (outcome.code, outcome.stdout) == (2, "")
    assert "a dot is this folder" in outcome.stderr
