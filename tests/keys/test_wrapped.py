"""Ring keys wrapped by a key in Key Vault and by a local one: either opens them, so that a cold start works."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.bootstrap.keysources import add_key, key_ring
from holdfast.config import Settings
from holdfast.crypto.wrapped import parse_wrapped, wrap_locally
from holdfast.errors import BackendUnavailable, ConfigurationError, InvalidInput, StartupError
from tests.keys.support import NEW, NEW_ID, OLD_ID, node
from tests.support.catalog import contents_of
from tests.support.scripted_vault import CLIENT_ID, CLIENT_SECRET, TENANT
from tests.support.vault_keys import KeysVault
from tests.support.world import KEY

LOCAL = base64.b64encode(bytes(range(200, 232))).decode()


@pytest.fixture
async def vault() -> AsyncIterator[KeysVault]:
    async with KeysVault() as vault:
        yield vault


@pytest.fixture
def given(vault: KeysVault, tmp_path: Path) -> dict[str, Any]:
    """The settings of a machine with a local key, a key file that is not there yet, and an identity at the vault."""
    local = tmp_path / "local"
    local.write_text(LOCAL)
    local.chmod(0o600)
    return {
        "data_dir": tmp_path / "data",
        "encryption_key_file": tmp_path / "keys",
        "unwrapping_key_file": local,
        "tenant_id": TENANT,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "authority_host": vault.url,
        "keyvault_ca": vault.ca_file,
    }


async def added(vault: KeysVault, given: dict[str, Any], **options: Any) -> str:
    """Wrap the usual key into the file; returns the line."""
    await asyncio.to_thread(add_key, Settings(**given), KEY, vault_key=vault.key_id, **options)
    return str(given["encryption_key_file"].read_text())


async def ring_ids(given: dict[str, Any]) -> tuple[str, ...]:
    return (await asyncio.to_thread(key_ring, Settings(**given), own_database=False)).ids


@pytest.mark.parametrize("readable", [True, False])
async def test_either_opens_it(vault: KeysVault, given: dict[str, Any], readable: bool) -> None:
    vault.readable = readable
    line = await added(vault, given)
    assert KEY not in line
    assert line.startswith(f"wrapped {OLD_ID} vault {vault.key_id} ")
    assert await ring_ids({**given, "unwrapping_key_file": None}) == (OLD_ID,)
    assert vault.calls["unwrap"] == 2, "once when it was wrapped, to see that it opens"
    async with vault.refusing():
        assert await ring_ids(given) == (OLD_ID,)
    faults: list[dict[str, Any]] = [{"status": 403}, {"status": 503}, {"drop": True}, {"answer": lambda _: {}}]
    for fault in faults:
        vault.fail("unwrap", **fault)
        assert await ring_ids(given) == (OLD_ID,)


async def test_with_the_vault_down_and_no_local_wrap_nothing_starts_and_nothing_is_written(
    vault: KeysVault, given: dict[str, Any], database_url: str, tmp_path: Path
) -> None:
    await added(vault, given, vault_only=True)
    settings = {**given, "encryption_key": None, "decryption_keys": ()}
    del settings["data_dir"]
    async with node(database_url, tmp_path / "data", **settings) as service:
        await service.set_secret("k", "v")
    before = await contents_of(database_url)
    async with vault.refusing():
        with pytest.raises(StartupError, match=r"no token.*the local key: it is not wrapped by one"):
            await node(database_url, tmp_path / "data", **settings).initialize()
    assert await contents_of(database_url) == before
    async with node(database_url, tmp_path / "data", **settings) as service:
        assert (await service.get_secret("k")).value == "v"


async def test_another_local_key_or_another_answer_opens_nothing(vault: KeysVault, given: dict[str, Any]) -> None:
    await added(vault, given)
    other = base64.urlsafe_b64encode(base64.b64decode(NEW)).rstrip(b"=").decode()
    vault.fail("unwrap", answer=lambda good: {**good, "value": other})
    given["unwrapping_key_file"].write_text(NEW)
    with pytest.raises(StartupError, match=r"another key than went in.*not the one that wrapped it") as refusal:
        await ring_ids(given)
    assert other not in str(refusal.value)
    given["unwrapping_key_file"].chmod(0o644)
    vault.fail("unwrap", status=503)
    with pytest.raises(StartupError, match="may be read by others"):
        await ring_ids(given)


async def test_both_wraps_are_made_or_none(vault: KeysVault, given: dict[str, Any]) -> None:
    alone = {**given, "unwrapping_key_file": None}
    with pytest.raises(InvalidInput, match="--vault-only"):
        await added(vault, alone)
    vault.readable = False
    vault.fail("wrap", status=503)
    with pytest.raises(BackendUnavailable):
        await added(vault, given)
    with pytest.raises(InvalidInput, match="names no key"):
        await asyncio.to_thread(add_key, Settings(**given), KEY, vault_key="https://v.vault.azure.net/keys/k")
    assert not given["encryption_key_file"].exists()


async def test_plain_and_wrapped_keys_stand_in_one_file(vault: KeysVault, given: dict[str, Any]) -> None:
    await added(vault, given)
    add_key(Settings(**given), NEW)
    assert await ring_ids(given) == (OLD_ID, NEW_ID)


@pytest.mark.parametrize(
    "line", ["wrapped", f"wrapped {OLD_ID}", f"wrapped {OLD_ID} local %%", f"wrapped x local {NEW}"]
)
async def test_a_line_that_is_no_wrapped_key_is_named(given: dict[str, Any], line: str) -> None:
    given["encryption_key_file"].write_text(line)
    given["encryption_key_file"].chmod(0o600)
    with pytest.raises(ConfigurationError, match=r"\(line 1\) is no wrapped key"):
        await ring_ids(given)


def test_a_line_is_read_as_it_was_written() -> None:
    key = base64.b64decode(KEY)
    line = f"wrapped {OLD_ID} local {base64.b64encode(wrap_locally(base64.b64decode(LOCAL), key)).decode()}"
    assert parse_wrapped(line).line == line


@pytest.mark.parametrize("damaged", ["vault", "local"])
def test_a_line_that_is_damaged_in_one_of_its_copies_is_refused(damaged: str) -> None:
    """The other one would open it until the day that it cannot, and nobody would know that this one was gone."""
    copies = {"vault": "https://v.vault.azure.net/keys/k/1 " + "A" * 8, "local": "A" * 8}
    copies[damaged] += "A"
    with pytest.raises(InvalidInput, match="no wrapped key"):
        parse_wrapped(f"wrapped {OLD_ID} vault {copies['vault']} local {copies['local']}")
