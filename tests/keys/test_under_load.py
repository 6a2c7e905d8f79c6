"""I16, end to end: the encryption key of two nodes is changed under load, restarts included, without a failed request.

The load balancer here does what every one does: it sends nothing to a node that is about to be stopped.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.cli.runner import Outcome, holdfast
from tests.keys.support import NEW, NEW_ID, OLD_ID
from tests.support.https import Client
from tests.support.node import rows, service_on, within
from tests.support.reference import ROOT
from tests.support.serving import Process, serving
from tests.support.world import KEY

NAMES = [f"k{number}" for number in range(6)]
BEFORE = {"FALLBACK_ENCRYPTION_KEY": KEY}
BOTH_KEYS = {**BEFORE, "HOLDFAST_DECRYPTION_KEYS": NEW}
AFTER = {"FALLBACK_ENCRYPTION_KEY": NEW}


@dataclass
class Installation:
    """Two nodes, those of them that requests are sent to, and what came of all requests."""

    dsn: str
    folder: Path
    token: str
    nodes: list[Process | None] = field(default_factory=lambda: [None, None])
    stacks: list[AsyncExitStack] = field(default_factory=lambda: [AsyncExitStack(), AsyncExitStack()])
    busy: list[int] = field(default_factory=lambda: [0, 0])
    reads: int = 0
    writes: int = 0
    failures: list[str] = field(default_factory=list)
    acknowledged: dict[str, str] = field(default_factory=dict)

    async def restart(self, number: int, environ: dict[str, Any]) -> None:
        """Take a node out of the rotation, and put it back with other keys."""
        self.nodes[number] = None
        while self.busy[number]:
            await asyncio.sleep(0.01)
        await self.stacks[number].aclose()
        started = serving(self.dsn, self.folder / str(number), **environ)
        self.nodes[number] = await self.stacks[number].enter_async_context(started)

    async def operate(self, *arguments: str) -> Outcome:
        """A command of the operator, against the first node that serves."""
        server = next(node for node in self.nodes if node is not None)
        environ = {
            "HOLDFAST_ADDR": f"https://127.0.0.1:{server.port}",
            "HOLDFAST_CACERT": str(server.ca_file),
            "HOLDFAST_TOKEN": self.token,
            "HOME": str(self.folder),
        }
        return await asyncio.to_thread(holdfast, "keys", *arguments, environ=environ)

    async def request(self, turn: int, method: str, path: str, body: object = None) -> object:
        """One request, to the nodes in turn; what is not answered well is a failure."""
        number = turn % 2 if self.nodes[turn % 2] is not None else 1 - turn % 2
        server = self.nodes[number]
        assert server is not None
        self.busy[number] += 1
        try:
            answer = await Client(server.port, server.ca_file, self.token).request(method, path, body)
        except (OSError, EOFError, TimeoutError) as error:
            self.failures.append(f"{method} {path}: {error!r}")
            return None
        finally:
            self.busy[number] -= 1
        if answer.status != 200:
            self.failures.append(f"{method} {path}: {answer.status} {answer.body!r}")
            return None
        return answer.json

    async def read(self, until: asyncio.Event) -> None:
        """Read, list and look at old versions until told to stop."""
        while not until.is_set():
            self.reads += 1
            name = NAMES[self.reads % len(NAMES)]
            path = f"/v1/secrets/{name}" if self.reads % 3 else f"/v1/secrets/{name}/versions/1"
            await self.request(self.reads, "GET", path)
            await asyncio.sleep(0.02)

    async def write(self, name: str, until: asyncio.Event) -> None:
        """Write one secret, again and again; nobody else writes it."""
        while not until.is_set():
            self.writes += 1
            value = f"{name}-{self.writes}"
            if await self.request(self.writes, "PUT", f"/v1/secrets/{name}", {"value": value}):
                self.acknowledged[name] = value
            await asyncio.sleep(0.05)


@asynccontextmanager
async def load(on: Installation) -> AsyncIterator[None]:
    enough = asyncio.Event()
    tasks = [asyncio.create_task(on.read(enough)) for _ in range(2)]
    tasks += [asyncio.create_task(on.write(name, enough)) for name in NAMES[:2]]
    try:
        yield
    finally:
        enough.set()
        await asyncio.gather(*tasks)


@pytest.mark.timeout(300)  # six servers are started one after another
async def test_i16_the_key_changes_under_load_without_a_failed_request(database_url: str, data_folder: Path) -> None:
    async with service_on(database_url, data_folder) as service:
        for name in NAMES:
            await service.set_secret(name, "first")
        await service.identities.add("app")
        await service.grant_access("*", "app", ["get", "set", "list", "operate"])
        token = (await service.tokens.create("app")).token
    on = Installation(database_url, data_folder, token)
    async with on.stacks[0], on.stacks[1]:
        for number in (0, 1):
            await on.restart(number, BEFORE)
        began = time.monotonic()
        async with load(on):
            for number in (0, 1):  # 1: every node gets the new key
                await on.restart(number, BOTH_KEYS)

            async def done(*arguments: str) -> bool:
                await asyncio.sleep(0.2)
                return (await on.operate(*arguments)).code == 0

            await within(30, lambda: done("activate", NEW_ID))  # 2: once the nodes before are not heard of any more
            assert await done("rewrap")  # 3
            await within(30, lambda: done("retire", OLD_ID))  # 4
            for number in (0, 1):  # 5: the old key is taken away
                await on.restart(number, AFTER)
            await asyncio.sleep(0.5)
        seconds = time.monotonic() - began
        print(f"{on.reads} reads and {on.writes} writes in {seconds:.1f} s, {len(on.failures)} failures")
        assert on.failures == []
        assert on.reads > 20
        assert on.writes > 20
    async with service_on(database_url, data_folder, encryption_key=NEW) as service:
        for name, value in on.acknowledged.items():
            assert (await service.get_secret(name)).value == value
    assert await rows(database_url, "SELECT DISTINCT key_id FROM secrets_vault") == [(NEW_ID,)]
    assert await rows(database_url, "SELECT DISTINCT key_id FROM secret_versions") == [(NEW_ID,)]


def test_the_runbook_has_these_steps() -> None:
    _, _, text = (ROOT / "docs" / "keys.md").read_text().partition("## To change the key")
    steps = re.findall(r"^\d\. `holdfast keys (\w+)|^\d\. (Take the old key out)", text, re.MULTILINE)
    assert [command or "restart" for command, _ in steps] == ["add", "activate", "rewrap", "retire", "restart"]
