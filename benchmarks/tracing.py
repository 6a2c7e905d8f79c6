"""What traces cost: switched off, against a server that has no place for them, and switched on."""

import asyncio
import time
import timeit
import urllib.request
from contextlib import AsyncExitStack

from benchmarks import processes
from benchmarks.load import answer_to
from benchmarks.measuring import check
from benchmarks.processes import Server
from benchmarks.run import Run
from benchmarks.server import Sides, per_cpu, requests_for
from benchmarks.stage import CLIENT, Vault
from holdfast.ports import traced

_TIMES = 200_000
_OFF = "server without traces, cached read on record"


async def measure(run: Run, vault: Vault, server: Server) -> None:
    """Compare a server whose settings send traces nowhere with one that could not keep any, and with two that do."""
    name = next(iter(vault.values))
    request, _ = await requests_for(vault, server, name)
    head, body = await answer_to(server.url, request, run.stage.ca_file)
    (run.stage.folder / "answer").write_bytes(head + body)
    before, many = await run.stage.audited(vault.dsn, CLIENT, "get"), run.size.connections
    async with AsyncExitStack() as stack:
        sink = await stack.enter_async_context(processes.sink())
        to = {**run.stage.environ(vault.dsn), "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url}
        some = {**to, "OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}
        sides = Sides(run, vault, stack, request, body)
        taking = {
            _OFF: await sides.ours(server, many),
            "the same, with no place for them": await sides.theirs("unhooked", await sides.variant("unhooked"), many),
            "the same, one request of 100 traced": await sides.ours(
                await stack.enter_async_context(processes.holdfast(some)), many
            ),
            "the same, every request traced": await sides.ours(
                await stack.enter_async_context(processes.holdfast(to)), many
            ),
        }
        await run.compare(taking)
        per_cpu(run, "… per second of its processor time", taking)
        asked = before + sum(each.count for each in sides.recorded)
        taken = await asyncio.to_thread(_taken, sink)
        check(taken > 0, "no span was sent")
    await run.check_record(vault.dsn, CLIENT, "get", asked)
    _note(run)


def _taken(sink: Server) -> int:
    """Bytes of spans; the first ones take a second to be sent."""
    time.sleep(2)
    with urllib.request.urlopen(sink.url) as answer:  # noqa: S310 - on loopback
        return int(answer.read())


def _note(run: Run) -> None:
    """What is on the way of a read all the time, by itself."""

    def part() -> None:
        with traced("part"):
            pass

    taken = min(timeit.repeat(part, number=_TIMES, repeat=5)) / _TIMES
    run.notes.append(f"A part of a request that nobody traces takes {taken * 1e9:.0f} ns; a cached read has one.")
