"""The server over TLS: audited, cached reads, against variants of itself that do less, or the same at more cost."""

from contextlib import AsyncExitStack

from benchmarks import processes
from benchmarks.load import Load, answer_to, loading
from benchmarks.measuring import check
from benchmarks.processes import Server
from benchmarks.run import Run
from benchmarks.stage import CLIENT, Vault

OURS = "server, cached read on record"
VARIANTS = {
    "the same HTTP stack, fixed bytes": "fixed",
    "fixed bytes, each with a durable record": "recorded",
    "the same server, unrecorded": "unrecorded",
    "the same server, one INSERT per read": "inserting",
}


class _Requests:
    """Rounds of requests to one server, counted; ``per_cpu``: requests per second of its processor time."""

    def __init__(self, server: Server, load: Load, total: int, connections: int) -> None:
        self._server, self._load, self._total, self._each = server, load, total, total // connections
        self.per_cpu: list[float] = []
        self.count = 0

    async def __call__(self) -> float:
        before = self._server.cpu_seconds()
        rate = await self._load.rate(self._each)
        self.count += self._total
        # The kernel counts in ticks: a round that took none took less than one.
        self.per_cpu.append(self._total / max(self._server.cpu_seconds() - before, processes.TICK_S))
        return rate


async def measure(run: Run, vault: Vault, server: Server) -> None:
    """Compare requests per second, and per second of the server's processor time, which a busy machine skews less."""
    size, environ = run.size, run.stage.environ(vault.dsn)
    name, value = next(iter(vault.values.items()))
    request = await _request(vault, server, name)
    head, body = await answer_to(server.url, request, run.stage.ca_file)
    check(value.encode() in body, "the server answers with another value")
    check(b"x-holdfast-source: cache" in head, "the server does not answer from its cache")
    (run.stage.folder / "answer").write_bytes(head + body)
    before = await run.stage.audited(vault.dsn, CLIENT, "get")
    async with AsyncExitStack() as stack:

        async def requests(to: Server, total: int) -> _Requests:
            load = loading(to.url, request, body, size.connections, run.stage.ca_file)
            return _Requests(to, await stack.enter_async_context(load), total, size.connections)

        sides = {f"{OURS}, {size.connections} connections": await requests(server, size.requests)}
        for label, variant in VARIANTS.items():
            other = await stack.enter_async_context(processes.variant(variant, run.stage.folder / "answer", environ))
            sides[label] = await requests(other, size.inserts if variant == "inserting" else size.requests)
        await run.compare(sides)
    ours, *others = sides.values()
    for label, theirs in zip(VARIANTS, others, strict=True):
        run.add("… per second of its processor time", label, tuple(ours.per_cpu[1:]), tuple(theirs.per_cpu[1:]))
    recorded = [each.count for label, each in sides.items() if VARIANTS.get(label) not in {"fixed", "unrecorded"}]
    await run.check_record(vault.dsn, CLIENT, "get", before + sum(recorded))


async def _request(vault: Vault, server: Server, name: str) -> bytes:
    async with vault.sdk(server) as (_, credential):
        token = (await credential.get_token(f"{server.url}/.default")).token.encode()
    # All variants stand for one vault under one name, as several nodes behind a balancer do.
    host = server.url.removeprefix("https://").encode()
    return b"GET /secrets/%s?api-version=7.5 HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n" % (
        name.encode(),
        host,
        token,
    )
