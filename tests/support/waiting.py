"""A server whose start has to wait, seen from outside."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from holdfast.bootstrap.tls import certificate_files, tls_folder
from holdfast.config import Settings
from holdfast.web.run import Serving, run
from holdfast.web.server import listen
from tests.cli.environment import environment
from tests.support.https import Client, Response
from tests.support.node import settings_for, within
from tests.support.serving import PROGRAM


@dataclass
class Waiting:
    """A server in this process. ``served``: what it said once it answered."""

    client: Client
    task: "asyncio.Task[None]"
    served: list[Serving] = field(default_factory=list)

    async def ready(self) -> Response:
        """What ``/readyz`` says; as soon as clients are let in."""

        async def let_in() -> bool:
            await asyncio.sleep(0.02)
            return self.task.done() or await accepts(self.client)

        await within(30, let_in)
        if self.task.done():
            self.task.result()
        return await self.client.request("GET", "/readyz")

    async def says(self, text: str) -> None:
        """Wait until it is not ready for this reason."""

        async def told() -> bool:
            await asyncio.sleep(0.02)
            answer = await self.ready()
            return answer.status == 503 and text in json.loads(answer.body)["reason"]

        await within(30, told)

    async def up(self) -> Serving:
        """Wait until it serves."""

        async def answers() -> bool:
            await asyncio.sleep(0.02)
            return self.task.done() or bool(self.served)

        await within(60, answers)
        if self.task.done():
            self.task.result()
        assert (await self.client.request("GET", "/readyz")).status == 200
        return self.served[0]


async def accepts(client: Client) -> bool:
    """Whether connections are taken there."""
    try:
        async with client.connected():
            return True
    except ConnectionError:
        return False


@asynccontextmanager
async def waiting(dsn: str, folder: Path, **more: Any) -> AsyncIterator[Waiting]:
    """A server on a database that may not be there for it."""
    settings = settings_for(dsn, folder, **more)
    listener = listen("127.0.0.1", 0)
    certificate_files(settings)
    client = Client(listener.getsockname()[1], tls_folder(settings) / "ca.pem")
    served: list[Serving] = []
    task = asyncio.ensure_future(run(settings, listener=listener, on_started=served.append))
    try:
        yield Waiting(client, task, served)
    finally:
        task.cancel()
        await asyncio.wait({task})


@asynccontextmanager
async def process(dsn: str, folder: Path, *arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, Client]]:
    """``holdfast serve`` on such a database, whose log goes to ``log`` in the folder; ended in any case."""
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    more = {"HOLDFAST_PORT": str(port), "HOLDFAST_LOG_FORMAT": "json", "HOLDFAST_DRAIN": "300"}
    environ = environment(dsn, folder, PATH=os.environ["PATH"], **more)
    certificate_files(Settings(data_dir=folder / "data"))
    with (folder / "log").open("wb") as log:
        started = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROGRAM, "serve", *arguments), stdout=log, stderr=log, env=environ
        )
    try:
        yield started, Client(port, folder / "data" / "tls" / "ca.pem")
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


def nowhere(folder: Path) -> str:
    """The address of a server that does not run, below a folder."""
    return f"postgresql://holdfast:hidden-password@/holdfast?host={folder}&port=5432&sslmode=disable"


def lines(folder: Path) -> list[str]:
    """What that process has written."""
    return (folder / "log").read_text().splitlines()
