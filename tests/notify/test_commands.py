"""``holdfast notices``, on the machine and against a server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.cli.runner import Outcome, holdfast
from tests.notify.world import ADA, BOB, World, deliver, happened
from tests.support.serving import serving
from tests.support.world import KEY

SET = ("set", "Api-Key", "--expires", "5d", "--notify", ADA)


async def run(environ: dict[str, str], *args: str, stdin: bytes = b"") -> Outcome:
    return await asyncio.to_thread(holdfast, *args, stdin=stdin, environ=environ)


@asynccontextmanager
async def reached(world: World, where: str) -> AsyncIterator[dict[str, str]]:
    """The environment of a command, on the machine itself or for a server."""
    home = {"HOME": str(world.folder.parent)}
    if where == "here":
        database = {"DATABASE_URL": world.dsn, "FALLBACK_ENCRYPTION_KEY": KEY, "HOLDFAST_DATA_DIR": str(world.folder)}
        yield {**home, **database, **world.environ}
        return
    async with serving(world.dsn, world.folder, logs=None, **world.environ) as server:
        yield {
            **home,
            "HOLDFAST_ADDR": f"https://localhost:{server.port}",
            "HOLDFAST_CACERT": str(server.ca_file),
            "HOLDFAST_TOKEN": server.admin_token,
        }


@pytest.mark.parametrize("where", ["here", "there"])
async def test_what_comes_is_shown_tried_and_mended(world: World, where: str) -> None:
    world.box.refusals[BOB] = "550 no such user"
    async with reached(world, where) as environ:
        assert (await run(environ, *SET, stdin=b"c4n4ry-value")).code == 0
        if where == "here":  # a server that runs has told it by then
            for command in (("notices", "preview"), ("expiring", "--dry-run")):
                shown = await run(environ, *command)
                assert [line.split()[1:] for line in shown.stdout.splitlines()[1:]] == [
                    ["secret.expiring", "Api-Key", f"{ADA},", "siem"],
                    ["secret.expiring", "Api-Key", f"{ADA},", "siem"],
                    ["secret.expired", "Api-Key", f"{ADA},", "siem"],
                ]
        tried = await run(environ, "notices", "test", BOB)
        assert (tried.code, tried.stderr) == (7, "")
        assert f"{BOB}  The mail server 127.0.0.1 refuses the recipient (550)." in tried.stdout
        assert (await run(environ, "notices", "test")).stdout.splitlines()[1].split() == ["siem", "taken"]
        async with world.node() as inside:
            await inside.parts.notices.notifier.announce(happened(1), [BOB])
            while not await run_dead(environ):
                await deliver(inside)
        (dead,) = await run_dead(environ)
        assert (dead["recipient"], dead["state"], dead["event"]["topic"]) == (BOB, "dead", "keys")
        refused = await run(environ, "notices", "retry")
        assert (refused.code, "or give --all" in refused.stderr) == (2, True)
        again = await run(environ, "notices", "retry", str(dead["id"]))
        assert (again.code, again.stderr.splitlines()[0]) == (0, "1 notice will be sent.")
        given_up = await run(environ, "notices", "discard", str(dead["id"]), "--json")
        assert json.loads(given_up.stdout) == {"number": 1}
        listed = await run(environ, "notices", "list", "--state", "discarded")
        assert BOB in listed.stdout
    assert "c4n4ry" not in f"{tried}{listed}"


async def run_dead(environ: dict[str, str]) -> list[dict[str, Any]]:
    shown = await run(environ, "notices", "list", "--state", "dead", "--json")
    assert shown.code == 0, shown
    dead: list[dict[str, Any]] = json.loads(shown.stdout)
    return dead


async def test_nobody_to_tell_is_said(world: World) -> None:
    async with reached(world, "here") as environ:
        silent = {name: value for name, value in environ.items() if "NOTICE" not in name and "MAIL" not in name}
        silent.pop("HOLDFAST_SMTP_URL")
        shown = await run(silent, "notices", "preview")
    assert (shown.code, shown.stderr.startswith("Nobody will be told of anything")) == (0, True)
