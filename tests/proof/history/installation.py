"""Two nodes, PostgreSQL, Redis and a vault, as processes behind links that can go wrong."""

import asyncio
import os
import random
import signal
import socket
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from holdfast.embedded.postgres import EmbeddedPostgres
from tests.keys.support import NEW
from tests.proof.history.credentials import make_credentials
from tests.proof.history.events import ROTATED
from tests.proof.history.faults import NODES
from tests.proof.history.links import Link, linked, to_port
from tests.proof.history.shim import Shim
from tests.support.https import Client
from tests.support.node import service_on
from tests.support.postgres import fresh_database
from tests.support.processes import folder_of
from tests.support.redis import running_redis
from tests.support.relay import Connect, Streams, dsn_through, to_database
from tests.support.scripted_vault import ScriptedVault
from tests.support.world import KEY

HOST = "v.kv.example"
SETTINGS = {
    "HOLDFAST_DRAIN": "0",
    "HOLDFAST_GRANT_LEASE": "2",
    "HOLDFAST_LOG_LEVEL": "warning",
    "HOLDFAST_READ_PATIENCE_MS": "300",
    "HOLDFAST_SYNC_INTERVAL": "2",
    "SECRET_CACHE_TTL": "1",
}
ALL = ("get", "list", "set", "delete", "recover", "purge", "rotate", "grant", "operate")
WHO = ("app", "reader", "consumer", "erin", "ann")
EMERGENCY_S = 2
_POLICY = f"[default]\napprovers = 1\nmax_duration_s = {EMERGENCY_S}\nrotate = false\n"


class FrontedVault(ScriptedVault):
    """A vault that is known by the address of the link in front of it; its token endpoint has a link of its own."""

    front: Link | None = None
    tokens: Link | None = None

    @property
    def url(self) -> str:
        return super().url if self.front is None else f"https://127.0.0.1:{self.front.port}"

    def environ(self) -> dict[str, str]:
        place = {} if self.tokens is None else {"AZURE_AUTHORITY_HOST": f"https://127.0.0.1:{self.tokens.port}"}
        return {**super().environ(), **place}


@dataclass
class Node:
    """A node that is started, killed and started again, on the same port and folder. ``workers``: its processes."""

    number: int
    port: int
    folder: Path
    environ: dict[str, str]
    shim: Shim
    workers: int = 1
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it; it serves when it can."""
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.proof.history.node", "serve", f"--workers={self.workers}"),
                env=self.environ,
                stdout=log,
                stderr=log,
                cwd=Path(__file__).parents[3],
            )

    async def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it, as ``kill -9`` does."""
        if self.process is not None and self.process.returncode is None:
            workers = self.children()
            self.process.send_signal(number)
            for worker in workers:  # a supervisor that is killed leaves them to end in their own time
                signalled(worker, number)
            await self.process.wait()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It stands still, if it runs."""
        process = self.process
        if process is None or process.returncode is not None:
            yield
            return
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def children(self) -> list[int]:
        """The pids of its worker processes; one that is alone has none."""
        pid = self.process.pid if self.process is not None else 0
        with suppress(FileNotFoundError):
            return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return []

    @property
    def ca_file(self) -> Path:
        """What its certificate is checked with."""
        return self.folder / "tls" / "ca.pem"

    async def ready(self) -> bool:
        """Whether it serves, asked past every link."""
        try:
            return (await Client(self.port, self.ca_file).request("GET", "/readyz")).status == 200
        except (OSError, EOFError, TimeoutError):
            return False


@dataclass
class Installation:
    """All of it. ``dsn`` leads to PostgreSQL past every link; ``places``: where one fault happens at a time.

    ``standby``: leads to what takes the place of PostgreSQL, where there is a standby. ``clients``: the secret of
    each, and ``tokens``: its token.
    """

    dsn: str
    folder: Path
    server: EmbeddedPostgres
    vault: FrontedVault
    links: dict[str, Link] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    standby: str = ""
    tenant: str = ""
    clients: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    places: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    @property
    def server_folder(self) -> Path:
        """Where PostgreSQL has its data."""
        return folder_of(self.dsn)

    def client(self, node: int, who: str) -> Client:
        """A client of a node, behind its link, with the identity's token."""
        return Client(self.links[f"clients-{node}"].port, self.nodes[node].ca_file, self.tokens[who], host=HOST)


def to_postgres(made: Installation) -> Connect:
    """To the PostgreSQL of an installation, wherever that is by then."""

    async def connect() -> Streams:
        return await to_database(made.dsn)()

    return connect


def signalled(pid: int, number: signal.Signals) -> None:
    """Send a process a signal, unless it is gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


@asynccontextmanager
async def installed(
    server: EmbeddedPostgres, folder: Path, settings: Mapping[str, str] = SETTINGS, workers: int = 1
) -> AsyncIterator[Installation]:
    """A new installation on a database of its own.

    ``app`` may do all, ``reader`` and ``erin`` nothing, ``consumer`` reads a credential, and ``ann`` approves.
    """
    async with AsyncExitStack() as stack:
        dsn = await stack.enter_async_context(fresh_database(server.dsn))
        vault = await stack.enter_async_context(FrontedVault())
        front = vault.front = await stack.enter_async_context(linked(to_port(vault.port)))
        tokens = vault.tokens = await stack.enter_async_context(linked(to_port(vault.port)))
        redis_port = quiet_port()
        redis = stack.enter_context(running_redis(folder, port=redis_port))
        made = Installation(dsn, folder, server, vault, {"vault": front, "token": tokens})
        made.links["target"] = await stack.enter_async_context(linked(to_postgres(made)))
        (folder / "policies.toml").write_text(_POLICY)
        async with service_on(dsn, folder / "setup", vault) as service:
            await service.grant_access("*", "app", list(ALL))
            made.clients = {who: await service.add_client(who) for who in WHO}
            await service.access.assign_role("ann", "approver", "*")
            await make_credentials(service, dsn, made.links["target"].port)
            await service.grant_access(ROTATED[0], "consumer", ["get"])
            made.tenant = service.tenant
        for number in range(NODES):
            await _add_node(stack, made, number, redis, settings, workers)
        await asyncio.gather(*(until_ready(node) for node in made.nodes))
        first = made.nodes[0]
        past_links = Client(first.port, first.ca_file, host=HOST)
        made.tokens = {who: await _token(past_links, made, who) for who in made.clients}
        yield made


async def _token(client: Client, made: Installation, who: str) -> str:
    """A client's token; a node that is busy with its start asks for another try."""
    while True:
        with suppress(AssertionError):
            return await client.token_for(made.tenant, who, made.clients[who])
        await asyncio.sleep(0.5)


async def _add_node(
    stack: AsyncExitStack, made: Installation, number: int, redis: str, settings: Mapping[str, str], workers: int
) -> None:
    folder, port = made.folder / f"node-{number}", quiet_port()
    folder.mkdir(mode=0o700)
    ways = {"postgres": to_postgres(made), "redis": to_database(redis), "clients": to_port(port)}
    for kind, way in ways.items():
        made.links[f"{kind}-{number}"] = await stack.enter_async_context(linked(way))
    shared = urlsplit(redis)
    place = f"{shared.netloc.rpartition('@')[0]}@127.0.0.1:{made.links[f'redis-{number}'].port}"
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "DATABASE_URL": dsn_through(made.links[f"postgres-{number}"].port, made.dsn),
        "REDIS_URL": urlunsplit(shared._replace(netloc=place)),
        "FALLBACK_ENCRYPTION_KEY": KEY,
        "HOLDFAST_DECRYPTION_KEYS": NEW,
        "HOLDFAST_BREAK_GLASS": str(made.folder / "policies.toml"),
        "HOLDFAST_DATA_DIR": str(folder),
        "HOLDFAST_PORT": str(port),
        **settings,
        **made.vault.environ(),
    }
    shim = Shim(folder / "shim")
    node = Node(number, port, folder, {**environ, **shim.environ()}, shim, workers)
    made.nodes.append(node)
    await node.start()
    stack.push_async_callback(node.end)


def quiet_port() -> int:
    """A port of loopback that no one has, and that no one gets by asking for any: it is taken up again later."""
    while True:
        port = random.randrange(15_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


async def until_ready(node: Node, within_s: float = 150.0) -> None:
    """Wait until a node serves.

    Raises:
        TimeoutError: it does not, within the time.
    """
    async with asyncio.timeout(within_s):
        while not await node.ready():
            await asyncio.sleep(0.2)
