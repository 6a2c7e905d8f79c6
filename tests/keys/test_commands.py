"""``holdfast keys``, on the machine and against a server."""

import asyncio
import json
from pathlib import Path

from tests.cli.runner import holdfast
from tests.keys.support import NEW, NEW_ID, OLD_ID
from tests.support.node import within
from tests.support.serving import serving
from tests.support.world import KEY


def environ_of(dsn: str, folder: Path) -> dict[str, str]:
    return {
        "DATABASE_URL": dsn,
        "FALLBACK_ENCRYPTION_KEY": KEY,
        "HOLDFAST_DECRYPTION_KEYS": NEW,
        "HOLDFAST_DATA_DIR": str(folder),
        "HOME": str(folder.parent),
    }


async def test_the_same_commands_on_the_machine_and_against_a_server(database_url: str, data_folder: Path) -> None:
    here = environ_of(database_url, data_folder)
    shown = await asyncio.to_thread(holdfast, "keys", "status", environ=here)
    assert shown.code == 0
    lines = shown.stdout.splitlines()
    assert lines[1].split()[:2] == [OLD_ID, "active"]
    assert lines[2].split()[:2] == [NEW_ID, "present"]
    async with serving(database_url, data_folder, HOLDFAST_DECRYPTION_KEYS=NEW) as server:
        there = {
            "HOLDFAST_ADDR": f"https://localhost:{server.port}",
            "HOLDFAST_CACERT": str(server.ca_file),
            "HOLDFAST_TOKEN": server.admin_token,
            "HOME": str(data_folder.parent),
        }
        activated = await asyncio.to_thread(holdfast, "keys", "activate", NEW_ID, "--json", environ=there)
        assert activated.code == 0, activated
        document = json.loads(activated.stdout)
        assert [(key["key_id"], key["state"]) for key in document["keys"]] == [
            (NEW_ID, "active"),
            (OLD_ID, "draining"),
        ]
        early = await asyncio.to_thread(holdfast, "keys", "retire", OLD_ID, environ=there)
        assert early.code == 5, early
        rewrapped = await asyncio.to_thread(holdfast, "keys", "rewrap", environ=there)
        assert (rewrapped.code, rewrapped.stdout) == (0, ""), rewrapped
        assert "0 remain under others." in rewrapped.stderr

        async def retired() -> bool:
            return (await asyncio.to_thread(holdfast, "keys", "retire", OLD_ID, environ=there)).code == 0

        await within(20, retired)
        shown = await asyncio.to_thread(holdfast, "keys", "status", environ=there)
        assert shown.stdout.splitlines()[2].split()[:2] == [OLD_ID, "retired"]
        assert "tokens are signed with it" in shown.stderr
        refused = await asyncio.to_thread(holdfast, "keys", "activate", "f" * 16, environ=there)
        assert (refused.code, refused.stdout) == (5, ""), refused
        health = await asyncio.to_thread(holdfast, "health", "--json", environ=there)
        assert json.loads(health.stdout)["encryption_key"] == NEW_ID
        for key in (KEY, NEW):
            assert key not in activated.stdout + activated.stderr + health.stdout
