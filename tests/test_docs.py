"""What the documents say is so: commands are run, examples executed, tables compared with the code's own."""

import asyncio
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from holdfast.cli.exits import MEANINGS
from holdfast.config import Settings, client_variables, variables
from holdfast.crypto.certificates import ensure_server_certificate
from holdfast.domain.policy import Permission
from tests.cli.environment import environment
from tests.cli.runner import Outcome, holdfast
from tests.cli.test_serve import serving
from tests.cli.transcript import without_place
from tests.support.installation import installed
from tests.support.pages import blocks, languages, walks
from tests.support.reference import ROOT, documents, kinds, with_tables
from tests.support.scripted_vault import ScriptedVault
from tests.support.world import KEY

README = ROOT / "README.md"
ERRORS = ROOT / "docs" / "errors.md"
README_LIMIT_LINES = 150

ELSEWHERE = {
    "make run": "test_the_readme_shows_what_make_run_prints, below",
    "make demo": "tests/examples/test_demo.py",
    "curl": "tests/web/v1/test_docs.py",
}
"""Commands that another test runs."""

_CONFLICT = re.compile(r"^(?:<{7}|={7}|>{7}).*$", re.MULTILINE)
_RARE = re.compile(
    r"\b(nobody|somebody|anybody|everybody|anew|beside|whoever|whomever|mend(?:s|ed)?|lest|for ever)\b", re.IGNORECASE
)
"""Words that a reader whose first language is another one may have to look up."""
_CODE = re.compile(r"^ *```.*?^ *```$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
_NOT_A_SLUG = re.compile(r"[^\w\- ]")


# --- the shape of the documents ---


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for link in _LINK.findall(path.read_text()):
        if "://" not in link:
            target, _, anchor = link.partition("#")
            found = path.parent / target if target else path
            assert found.exists(), link
            assert not anchor or anchor in _anchors(found), link


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {_NOT_A_SLUG.sub("", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_no_conflict_was_left_behind(path: Path) -> None:
    assert _CONFLICT.findall(path.read_text()) == []


@pytest.mark.parametrize("path", [each for each in documents() if "adr" not in each.parts], ids=lambda path: path.name)
def test_pages_have_the_plain_word_for_it(path: Path) -> None:
    assert _RARE.findall(_CODE.sub("", path.read_text())) == []


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_tables_are_those_of_the_code(path: Path) -> None:
    assert path.read_text() == with_tables(path.read_text()), "`make docs` writes the tables anew"


def test_every_kind_of_block_is_known() -> None:
    assert languages() <= {"console", "python", "text", "toml", "json"}
    assert not blocks("", "bash", "sh"), "commands stand in console blocks, with a $ before each"


def test_every_page_stands_in_the_index() -> None:
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages - set(_LINK.findall((ROOT / "docs" / "README.md").read_text())) == set()


def test_the_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) <= README_LIMIT_LINES


def test_every_setting_exit_code_and_error_is_documented() -> None:
    operations, text = (ROOT / "docs" / "operations.md").read_text(), ERRORS.read_text()
    assert [each.name for each in (*variables(), *client_variables()) if f"| `{each.name}` |" not in operations] == []
    assert [code for code, meaning in MEANINGS.items() if f"| {code} | {meaning} |" not in text] == []
    assert [kind.code for kind in kinds() if f"| `{kind.code}` |" not in text] == []


def test_every_permission_is_explained() -> None:
    text = (ROOT / "docs" / "authorisation.md").read_text()
    assert re.findall(r"^\| `(\w+)` \| to |^\| `(operate)` \| over ", text, re.MULTILINE) == [
        ("", each) if each == "operate" else (each, "") for each in Permission
    ]


def test_what_to_do_is_said_for_every_error() -> None:
    steps = re.findall(r"^- ((?:\*\*\w+\*\*(?:, )?)+): ", ERRORS.read_text(), re.MULTILINE)
    named = [code for step in steps for code in re.findall(r"\w+", step)]
    assert sorted(named) == sorted({kind.code for kind in kinds()})


def test_what_the_promises_are_proven_by_is_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| (I\d+) \| .+ \| (.+) \|$", text, re.MULTILINE)
    assert [number for number, _ in rows] == [f"I{number}" for number in range(1, 17)]
    for number, proof in rows:
        files = re.findall(r"`(tests/[\w/]+\.py)`", proof)
        assert files, number
        assert [name for name in files if not (ROOT / name).is_file()] == [], number


# --- commands ---


def test_every_command_is_run_by_some_test() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for block in blocks("console"):
        for command, _ in block.commands:
            known = any(command == each or command.startswith(f"{each} ") for each in ELSEWHERE)
            assert known or "holdfast" in shlex.split(command), f"{block}: nothing runs `{command}`"
    named = {name for path in documents() for name in re.findall(r"`make ([a-z]+)`", path.read_text())}
    assert named - targets == set()


def test_every_walk_is_walked_by_some_test() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests" / "walks").glob("test_*.py"))
    assert walks()
    assert [name for name in walks() if f'"{name}"' not in tests] == []


def _holdfast_blocks() -> Iterator[tuple[Path, list[tuple[str, str]]]]:
    for path in documents():
        commands = [each for block in blocks("console") if block.path == path for each in block.commands]
        ours = [(command, shown) for command, shown in commands if "holdfast" in shlex.split(command)]
        if ours:
            yield path, ours


@pytest.mark.usefixtures("durable_server")
@pytest.mark.parametrize(("path", "commands"), list(_holdfast_blocks()), ids=lambda each: getattr(each, "name", ""))
async def test_commands_do_what_they_show(
    path: Path, commands: list[tuple[str, str]], database_url: str, tmp_path: Path
) -> None:
    """In the order of the document, on one database, in front of a vault."""
    async with ScriptedVault() as vault:
        mail = {
            "HOLDFAST_SMTP_URL": "smtps://mail.example",
            "HOLDFAST_MAIL_FROM": "holdfast@example.com",
            "HOLDFAST_NOTICE_CHANNELS": "ops=mailto:ops@example.com",
        }
        environ = environment(database_url, tmp_path, **mail, **vault.environ())
        for command, shown in commands:
            stdin, _, ours = command.rpartition(" | ")
            assert not stdin or stdin.startswith("echo ")
            value = " ".join(shlex.split(stdin)[1:]) + "\n"
            got = await asyncio.to_thread(_ran, shlex.split(ours)[1:], value, environ)
            assert got.code == 0, (path, command, got)
            if shown.strip():
                assert _alike(got.stdout + without_place(got.stderr)) == _alike(shown), command


def _ran(args: list[str], value: str, environ: dict[str, str]) -> Outcome:
    if args[0] != "run":
        return holdfast(*args, stdin=value.encode(), environ=environ)
    program = [sys.executable, "-c", "from holdfast.cli.main import main; main()", *args]  # the command takes its place
    environ = {**environ, "PATH": os.environ["PATH"]}
    done = subprocess.run(program, input=value, env=environ, capture_output=True, text=True, timeout=60, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr)


def _alike(text: str) -> list[str]:
    """Lines without what differs from run to run: moments, logins, the tier that answered."""
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:]+Z", "<time>", text)
    text = re.sub(r"operator:\S+", "<operator>", text)
    text = re.sub(r"\b(mirror|keyvault|cache)\b", "<tier>", text)
    return [" ".join(line.split()) for line in text.strip().splitlines()]


def test_the_readme_shows_what_make_run_prints(data_folder: Path) -> None:
    (shown,) = (shown for block in blocks("console") for command, shown in block.commands if command == "make run")
    environ = {"HOLDFAST_DATA_DIR": str(data_folder), "HOLDFAST_PORT": "0", "HOME": str(data_folder.parent)}
    with serving(environ, as_json=False) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(len(shown.splitlines()))]
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30)[1] == "Holdfast has stopped.\n"
    printed = "".join(lines).replace(f"HOLDFAST_DATA_DIR={data_folder} ", "")
    printed = printed.replace(str(data_folder), "/var/lib/holdfast").replace(" -c ", " .venv/bin/holdfast ")
    assert _like_running(printed) == _like_running(shown)


def _like_running(text: str) -> list[str]:
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8200", text)
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "<tenant>", text)
    return [" ".join(line.split()) for line in text.strip().splitlines()]


# --- Python ---


def test_the_library_examples_run(database_url: str, tmp_path: Path) -> None:
    found = [block for block in blocks("python") if "azure.identity" not in block.text]
    assert found
    for block in found:
        done = subprocess.run(
            [sys.executable, "-c", block.text],
            env=environment(database_url, tmp_path, PATH=os.environ["PATH"]),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (str(block), done.stderr)
        assert "sk_test_example" not in done.stdout + done.stderr


async def test_the_azure_examples_run(database_url: str, tmp_path: Path) -> None:
    found = [block for block in blocks("python") if "azure.identity" in block.text]
    assert found
    settings = Settings(database_url=database_url, encryption_key=KEY, data_dir=tmp_path / "data")
    certificate = ensure_server_certificate(tmp_path / "tls", [], now=datetime.now(UTC))
    async with installed(settings, certificate) as installation:
        names = {"tenant_id": installation.tenant, "client_secret": await installation.register("my-app")}
        for block in found:
            text = block.text.replace("https://127.0.0.1:8200", installation.url)
            text = text.replace("/var/lib/holdfast/tls/ca.pem", str(installation.ca_file))
            assert text != block.text
            await asyncio.to_thread(exec, compile(text, str(block), "exec"), dict(names))
        secret = await installation.service.get_secret("db-password")
        assert secret.value == "example"
