"""``holdfast serve`` as processes, and clients that read from them without a pause."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.https import Client, Connection
from tests.support.world import KEY

PROGRAM = "import sys; from holdfast.cli.main import main; sys.exit(main())"
_READY_WITHIN_S = 60


@dataclass
class Process:
    """A running ``holdfast serve``."""

    process: asyncio.subprocess.Process
    port: int
    ca_file: Path
    tenant: str
    admin_token: str

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Tell it to stop and return its exit code."""
        self.process.send_signal(number)
        return await self.process.wait()

    def children(self) -> list[int]:
        """The pids of its worker processes."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    async def client(self, client_id: str, secret: str) -> Client:
        """A client with a token from this server, good on all nodes of one installation under the same host name."""
        anonymous = Client(self.port, self.ca_file, host="v.kv.example")
        return replace(anonymous, token=await anonymous.token_for(self.tenant, client_id, secret))


@asynccontextmanager
async def serving(
    dsn: str, folder: Path, *arguments: str, logs: Path | None = None, **settings: str
) -> AsyncIterator[Process]:
    """A node on a database; ended, whatever happens. ``logs``: the file that stderr goes to."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "DATABASE_URL": dsn,
        "FALLBACK_ENCRYPTION_KEY": KEY,
        "HOLDFAST_DATA_DIR": str(folder),
        "HOLDFAST_PORT": "0",
        "HOLDFAST_LOG_LEVEL": "warning",
        **settings,
    }
    with nullcontext() if logs is None else logs.open("ab") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", PROGRAM, "serve", "--json", *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            env=environ,
        )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_READY_WITHIN_S):
            facts = json.loads(await process.stdout.readuntil(b"\n}\n"))
        yield Process(
            process,
            urlsplit(facts["url"]).port or 0,
            Path(facts["ca"]),
            facts["tenant"],
            facts.get("admin_token") or "",
        )
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@dataclass
class Reader:
    """Asks for one secret again and again on a connection it keeps, and opens another when the server says close."""

    client: Client
    path: str
    answered: int = 0
    failures: list[str] = field(default_factory=list)

    async def run(self, until: asyncio.Event) -> None:
        """Read until told to stop."""
        while not until.is_set():
            try:
                async with self.client.connected() as connection:
                    await self._on(connection, until)
            except (OSError, EOFError, TimeoutError) as error:
                self.failures.append(repr(error))
                await asyncio.sleep(0.01)

    async def _on(self, connection: Connection, until: asyncio.Event) -> None:
        while not until.is_set():
            await connection.send(self.client.head("GET", self.path, {}, None))
            answer = await connection.response()
            if answer.status != 200:
                self.failures.append(f"{answer.status} {answer.body!r}")
                return
            self.answered += 1
            if answer.header("connection") == "close":
                return


@asynccontextmanager
async def reading(client: Client, path: str, readers: int = 8) -> AsyncIterator[list[Reader]]:
    """Readers at work."""
    enough = asyncio.Event()
    made = [Reader(client, path) for _ in range(readers)]
    tasks = [asyncio.create_task(reader.run(enough)) for reader in made]
    try:
        yield made
    finally:
        enough.set()
        await asyncio.gather(*tasks)
