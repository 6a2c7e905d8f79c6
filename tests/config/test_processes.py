"""Every setting, right and wrong, in a real process."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from holdfast.config import Settings, client_variables, source_variables, variables
from tests.config.samples import (
    NOWHERE,
    Sample,
    client_samples,
    key_id,
    new_key,
    node_samples,
    source_samples,
)
from tests.support.folders import short_folder
from tests.support.serving import serving

ALONE = {"AZURE_KEYVAULT_URL", "HOLDFAST_KEYVAULT_PROXY"}
"""What cannot stand next to AZURE_KEYVAULT_NAME, or would hide HTTPS_PROXY."""

LOGINS = {"HOLDFAST_DATABASE_LOGIN", "HOLDFAST_REDIS_LOGIN"}
"""What takes servers with TLS: tests/integration/test_entra_logins.py starts a process with both."""


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as made:
        yield made


def holdfast(*arguments: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run one command as a process of its own."""
    program = "from holdfast.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={"PATH": os.environ["PATH"], **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def named(refused: subprocess.CompletedProcess[str]) -> set[str]:
    """The settings that a refusal names, each at the beginning of its line."""
    assert refused.returncode == 9, refused.stderr
    return {line.split()[1] for line in refused.stderr.splitlines() if line.startswith("  - ")}


def right(samples: Mapping[str, Sample]) -> dict[str, str]:
    return {name: sample.right for name, sample in samples.items()}


def wrong(samples: Mapping[str, Sample]) -> dict[str, str]:
    return {name: sample.wrong for name, sample in samples.items() if sample.wrong is not None}


async def test_a_node_starts_with_every_setting_and_uses_the_keys_of_every_place(
    empty: str, redis_url: str, folder: Path
) -> None:
    keys = [new_key() for _ in range(4)]
    samples = node_samples(folder, empty, redis_url, keys)
    assert samples.keys() == {each.name for each in variables()}, "a setting without a sample is a setting untried"
    environ = {name: value for name, value in right(samples).items() if name not in ALONE | LOGINS}
    defaults = Settings.from_environ({"HOME": str(folder)})
    given = Settings.from_environ(environ | {name: samples[name].right for name in ALONE - {"AZURE_KEYVAULT_URL"}})
    same = {each for each in vars(given) if getattr(given, each) == getattr(defaults, each)}
    assert same == {"keyvault_url", "database_login", "redis_login"}, "what is as without the setting proves nothing"
    async with serving(empty, folder, logs=None, **environ) as server:
        client = right(client_samples(f"https://127.0.0.2:{server.port}", server.admin_token, str(folder / "ca.pem")))
        assert client.keys() == {each.name for each in client_variables()}
        listed = holdfast("keys", "status", "--json", environ={"HOME": str(folder), **client})
        assert listed.returncode == 0, listed.stderr
        assert {each["key_id"] for each in json.loads(listed.stdout)["keys"]} == set(map(key_id, keys))


async def test_a_node_starts_with_the_settings_that_exclude_others(empty: str, redis_url: str, folder: Path) -> None:
    samples = node_samples(folder, empty, redis_url, [new_key() for _ in range(4)])
    alone = {name: samples[name].right for name in ALONE}
    async with serving(empty, folder, logs=None, **alone) as server:
        assert server.port


def test_every_wrong_value_is_refused_by_name(redis_url: str, folder: Path) -> None:
    samples = node_samples(folder, "", redis_url, [new_key() for _ in range(4)])
    refused = holdfast("serve", environ={"HOME": str(folder), **wrong(samples)})
    assert named(refused) == wrong(samples).keys()
    assert not (folder / "relative").exists()
    untried = {name for name, sample in samples.items() if sample.wrong is None}
    assert untried == {each.name for each in variables() if each.shared}, "other programs' settings: judged when used"


def test_wrong_values_of_a_client_are_refused_by_name(folder: Path) -> None:
    samples = client_samples(f"https://{NOWHERE}", "t0ken", "/")
    refused = holdfast("list", environ={"HOME": str(folder), **wrong(samples)})
    assert named(refused) == samples.keys()


def test_every_setting_of_an_import_is_taken_or_refused_by_name(folder: Path) -> None:
    ca = node_samples(folder, "", "", [new_key() for _ in range(4)])["HOLDFAST_KEYVAULT_CA"].right
    samples = source_samples(ca)
    shared = {each.name for each in variables()}
    assert samples.keys() == {each.name for each in source_variables()} - shared
    here = {"HOME": str(folder), "HOLDFAST_DATA_DIR": str(folder / "data")}
    command = ("import", "keyvault", f"https://{NOWHERE}")
    taken = holdfast("--create", *command, environ={**here, **right(samples)})
    assert taken.returncode == 7, f"it gets as far as the vault, which is not there: {taken.stderr}"
    refused = holdfast(*command, environ={**here, **wrong(samples)})
    assert named(refused) == samples.keys()


@pytest.mark.parametrize("name", ["HOLDFAST_ENCRYPTION_KEY_FILE", "HOLDFAST_UNWRAPPING_KEY_FILE"])
@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "readable"])
def test_what_is_no_key_file_is_refused(name: str, kind: str, folder: Path) -> None:
    samples = node_samples(folder, "postgresql://nobody@127.0.0.1:1/x", "", [new_key() for _ in range(4)])
    path = Path(samples[name].right)
    if kind == "readable":
        path.chmod(0o644)
    else:
        path.unlink()
    if kind == "folder":
        path.mkdir()
    if kind == "pipe":
        os.mkfifo(path, 0o600)
    given = ("DATABASE_URL", "HOLDFAST_ENCRYPTION_KEY_FILE", "HOLDFAST_UNWRAPPING_KEY_FILE")
    refused = holdfast("serve", environ={"HOME": str(folder), **{each: samples[each].right for each in given}})
    assert refused.returncode == 9
    assert name in refused.stderr or str(path) in refused.stderr
    assert "reached" not in refused.stderr, "a key that is missing is found before the database is asked"


@pytest.mark.usefixtures("durable_server")
async def test_a_key_is_added_to_a_file_that_is_in_use(empty: str, folder: Path) -> None:
    file = folder / "hf.key"
    settings = {"DATABASE_URL": empty, "HOLDFAST_ENCRYPTION_KEY_FILE": str(file)}
    environ = {"HOME": str(folder), "HOLDFAST_DATA_DIR": str(folder / "data"), **settings}
    for lines in (1, 2):  # the first makes the file
        added = holdfast("keys", "add", environ=environ)
        assert added.returncode == 0, added.stderr
        assert len(file.read_text().splitlines()) == lines
        assert file.stat().st_mode & 0o777 == 0o600
        started = holdfast("init", environ=environ)
        assert started.returncode == 0, started.stderr
    assert holdfast("doctor", environ=environ).returncode == 0
