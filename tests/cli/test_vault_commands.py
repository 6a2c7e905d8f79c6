"""``sync``, ``reconcile`` and ``health`` in front of a vault that is well, away, stubborn and back."""

import asyncio
from pathlib import Path

import pytest

from holdfast.domain.secret import Attributes
from tests.cli.environment import environment
from tests.cli.terminal import Terminal
from tests.cli.test_transcripts import HERE, play
from tests.support.scripted_vault import ScriptedVault


def _watch_a_sync(environ: dict[str, str]) -> None:
    with Terminal("sync", environ=environ) as terminal:
        terminal.wait_for("Compared 2 secrets with Key Vault, took over 0 changes")
        code, out = terminal.end()
    assert code == 0
    assert out.startswith("seen: 2\n")


@pytest.mark.timeout(180)
async def test_what_an_operator_sees_of_a_vault(database_url: str, tmp_path: Path) -> None:
    async with ScriptedVault() as vault:
        environ = environment(database_url, tmp_path, **vault.environ())
        for name in ("in-vault-1", "in-vault-2"):
            vault.model.set(name, "c4n4ry", Attributes())

        async def played(name: str) -> None:
            await asyncio.to_thread(play, HERE / "vault" / name, environ)

        await played("well.txt")
        await asyncio.to_thread(_watch_a_sync, environ)
        async with vault.refusing():
            await played("away.txt")
        await asyncio.sleep(1.1)  # the pause between attempts at replaying
        vault.fail("set", times=20, status=400, code="BadParameter")
        await played("stubborn.txt")
        vault.heal()
        await played("back.txt")
