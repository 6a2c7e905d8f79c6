"""The server over TLS: audited, cached reads, against variants of itself that do less, or the same at more cost."""

from collections.abc import Mapping
from contextlib import AsyncExitStack

from benchmarks import processes
from benchmarks.load import Load, answer_to, get, loading
from benchmarks.measuring import check, percentile
from benchmarks.processes import Server
from benchmarks.run import Run
from benchmarks.stage import CLIENT, Vault

OURS = "server, cached read on record"
VARIANTS = {
    "the same HTTP stack, fixed bytes": "fixed",
    "fixed bytes, each with a durable record": "recorded",
    "the same server, unrecorded": "unrecorded",
    "the same server, one INSERT per read": "inserting",
    "the same server without TLS": "plain",
}
_WITH_TWO_WORKERS = ("fixed", "unrecorded", "inserting")
_TOKEN = "the same by an API token"  # noqa: S105 - what is compared
_UNRECORDED = ("fixed", "unrecorded")


class Requests:
    """Rounds of requests to one server, counted; ``per_cpu``: requests per second of its processor time."""

    def __init__(self, server: Server, load: Load, total: int, connections: int) -> None:
        self._server, self._load, self._total, self._each = server, load, total, total // connections
        self.per_cpu: list[float] = []
        self.latencies: list[float] = []
        self.count = 0

    async def __call__(self) -> float:
        """Do one round."""
        before = self._server.cpu_seconds()
        rate = await self._load.rate(self._each)
        self.count += self._total
        # The kernel counts in ticks: a round that took none took less than one.
        self.per_cpu.append(self._total / max(self._server.cpu_seconds() - before, processes.TICK_S))
        if len(self.per_cpu) > 1:
            self.latencies += self._load.latencies()
        else:
            self._load.latencies()  # of the warm-up
        return rate


class Sides:
    """What takes turns. ``recorded``: those whose requests must be on record."""

    def __init__(self, run: Run, vault: Vault, stack: AsyncExitStack, request: bytes, body: bytes) -> None:
        self._run, self._stack, self._request, self._body = run, stack, request, body
        self._environ = run.stage.environ(vault.dsn)
        self.recorded: list[Requests] = []

    async def ours(self, server: Server, connections: int, request: bytes | None = None) -> Requests:
        """Requests to a server of ours."""
        return await self._requests(server, self._run.size.requests, connections, request or self._request, on=True)

    async def two_workers(self, connections: int) -> Requests:
        """Requests to a server of ours that has two workers."""
        server = await self._stack.enter_async_context(processes.holdfast(self._environ, workers=2))
        return await self.ours(server, connections)

    async def variant(self, name: str, workers: int = 1) -> Server:
        """Another server."""
        answer = self._run.stage.folder / "answer"
        return await self._stack.enter_async_context(processes.variant(name, answer, self._environ, workers))

    async def theirs(self, name: str, server: Server, connections: int) -> Requests:
        """Requests to a variant."""
        size = self._run.size
        total = size.inserts if name == "inserting" else size.requests
        return await self._requests(server, total, connections, self._request, on=name not in _UNRECORDED)

    async def _requests(self, to: Server, total: int, connections: int, request: bytes, *, on: bool) -> Requests:
        load = loading(to.url, request, self._body, connections, self._run.stage.ca_file)
        total = max(connections, total if connections > 1 else total // self._run.size.connections * 4)
        side = Requests(to, await self._stack.enter_async_context(load), total, connections)
        if on:
            self.recorded.append(side)
        return side


async def measure(run: Run, vault: Vault, server: Server) -> None:
    """Compare requests per second, and per second of the server's processor time, which a busy machine skews less."""
    name, value = next(iter(vault.values.items()))
    request, by_token = await requests_for(vault, server, name)
    head, body = await answer_to(server.url, request, run.stage.ca_file)
    check(value.encode() in body, "the server answers with another value")
    check(b"x-holdfast-source: cache" in head, "the server does not answer from its cache")
    (run.stage.folder / "answer").write_bytes(head + body)
    before = await run.stage.audited(vault.dsn, CLIENT, "get")
    asked = before
    for phase in (_one_worker, _two_workers):
        async with AsyncExitStack() as stack:  # one phase's servers would take the other's connections to PostgreSQL
            sides = Sides(run, vault, stack, request, body)
            await phase(run, sides, server, by_token)
            asked += sum(each.count for each in sides.recorded)
    await run.check_record(vault.dsn, CLIENT, "get", asked)


async def _one_worker(run: Run, sides: Sides, server: Server, by_token: bytes) -> None:
    servers = {label: await sides.variant(variant) for label, variant in VARIANTS.items()}
    many = run.size.connections
    ours = f"{OURS}, {many} connections"
    taking = {ours: await sides.ours(server, many)}
    for label, variant in VARIANTS.items():
        taking[label] = await sides.theirs(variant, servers[label], many)
    taking[_TOKEN] = await sides.ours(server, many, by_token)
    await run.compare(taking)
    per_cpu(run, "… per second of its processor time", taking)
    _latencies(run, taking)
    await _single(run, sides, server, servers)


async def _two_workers(run: Run, sides: Sides, _server: Server, _by_token: bytes) -> None:
    many = run.size.connections
    taking = {f"{OURS}, 2 workers, {many} connections": await sides.two_workers(many)}
    for label, variant in VARIANTS.items():
        if variant in _WITH_TWO_WORKERS:
            two = await sides.variant(variant, workers=2)
            taking[f"{label}, 2 workers"] = await sides.theirs(variant, two, many)
    await run.compare(taking)
    per_cpu(run, "… per second of their processor time", taking)


async def _single(run: Run, sides: Sides, server: Server, servers: Mapping[str, Server]) -> None:
    taking = {f"{OURS}, 1 connection": await sides.ours(server, 1)}
    for label, variant in VARIANTS.items():
        taking[label] = await sides.theirs(variant, servers[label], 1)
    await run.compare(taking)
    _latencies(run, taking)


def per_cpu(run: Run, scenario: str, taking: Mapping[str, Requests]) -> None:
    """Keep the first's requests per second of processor time, against every other's."""
    (_, ours), *others = taking.items()
    for label, theirs in others:
        run.add(scenario, label, tuple(ours.per_cpu[1:]), tuple(theirs.per_cpu[1:]))


def _latencies(run: Run, taking: Mapping[str, Requests]) -> None:
    for label, side in taking.items():
        half, most = (percentile(side.latencies, share) * 1000 for share in (50, 99))
        run.notes.append(f"{label}: half of the answers within {half:.2f} ms, 99 of 100 within {most:.2f} ms.")


async def requests_for(vault: Vault, server: Server, name: str) -> tuple[bytes, bytes]:
    """The same request with a token of the token endpoint, and with an API token."""
    async with vault.sdk(server) as (_, credential):
        token = (await credential.get_token(f"{server.url}/.default")).token
    # All variants stand for one vault under one name, as several nodes behind a balancer do.
    host, path = server.url.removeprefix("https://"), f"/secrets/{name}?api-version=7.5"
    return get(path, host, token), get(path, host, vault.api_token)
