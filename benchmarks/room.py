"""A server under a crowd: probes, and reads by someone who is not part of it, against the same when it is idle."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast
from urllib.parse import urlsplit

from benchmarks import processes
from benchmarks.load import context_of, get, length_of
from benchmarks.measuring import check, percentile
from benchmarks.processes import Server
from benchmarks.run import Run
from benchmarks.stage import Vault

_PATH = "/secrets/secret-000?api-version=7.5"
_PROBE = "/healthz"
_PAUSE_S = 0.01
_RECOVERED_WITHIN_S = 5.0


async def measure(run: Run, vault: Vault, _server: Server) -> None:
    """Ask an idle server, the same under a crowd that asks without a pause, and again when the crowd is gone."""
    size = run.size
    async with processes.holdfast(vault.stage.environ(vault.dsn)) as server:
        visitor = _Visitor(run, vault, server)
        run.told("measuring: an idle server")
        idle = await visitor.for_seconds(size.crowd_seconds)
        before = server.memory()
        run.told(f"measuring: the same under {size.crowd_connections:,} connections")
        crowd = await _crowd(run, vault, server)
        cpu, began = server.cpu_seconds(), time.perf_counter()
        cast("asyncio.StreamWriter", crowd.stdin).write(b"\n")
        busy = await visitor.for_seconds(size.crowd_seconds)
        cpu, memory = (server.cpu_seconds() - cpu) / (time.perf_counter() - began), server.memory()
        written, _ = await crowd.communicate()
        ended = time.perf_counter()
        while await visitor.read() is None:
            check(time.perf_counter() - ended < _RECOVERED_WITHIN_S, "the server does not recover from a crowd")
        recovered = time.perf_counter() - ended
        told = json.loads(written)
    for what, ours, theirs in (("probe", busy.probes, idle.probes), ("read", busy.reads, idle.reads)):
        check(bool(ours), f"no {what} was answered under a crowd")
        run.notes.append(
            f"Under {size.crowd_connections:,} connections that ask without a pause, a {what} takes "
            f"{percentile(ours, 50) * 1e3:.1f} ms, p99 {percentile(ours, 99) * 1e3:.1f} ms, {len(ours):,} in all; "
            f"idle {percentile(theirs, 50) * 1e3:.1f} ms, p99 {percentile(theirs, 99) * 1e3:.1f} ms: "
            f"p99 {percentile(ours, 99) / percentile(theirs, 99):.1f} times as long."
        )
    run.notes.append(
        f"Of the reads beside the crowd {busy.refused:,} were refused. The crowd saw {told['answers']}, admitted p99 "
        f"{(told['admitted_p99_s'] or 0) * 1e3:.0f} ms. The server had {before / 2**20:.0f} MiB before and "
        f"{memory / 2**20:.0f} MiB under it, {100 * cpu:.0f} % of a processor, and answered again after "
        f"{recovered:.2f} s."
    )


async def _crowd(run: Run, vault: Vault, server: Server) -> asyncio.subprocess.Process:
    arguments = (server.url, str(run.stage.ca_file), urlsplit(server.url).netloc, _PATH, vault.api_token)
    numbers = (str(run.size.crowd_connections), str(run.size.crowd_seconds))
    crowd = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.flood", *arguments, *numbers),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    check(bool(await cast("asyncio.StreamReader", crowd.stdout).readline()), "the crowd does not come")
    return crowd


class _Seen:
    """Seconds that probes and admitted reads took, and how many reads were refused."""

    def __init__(self) -> None:
        self.probes: list[float] = []
        self.reads: list[float] = []
        self.refused = 0


class _Visitor:
    """Someone else than the crowd: another identity, on connections of its own."""

    def __init__(self, run: Run, vault: Vault, server: Server) -> None:
        self._url, self._ca_file = server.url, run.stage.ca_file
        host = urlsplit(server.url).netloc
        self._probe, self._read = get(_PROBE, host, ""), get(_PATH, host, vault.visitor_token)

    async def for_seconds(self, seconds: float) -> _Seen:
        """Ask for both, again and again."""
        seen, until = _Seen(), time.perf_counter() + seconds
        await asyncio.gather(self._often(self._probes(seen), until), self._often(self._reads(seen), until))
        return seen

    async def read(self) -> float | None:
        """Read; return the seconds it took, or None if it was refused."""
        return await self._asked(self._read)

    def _probes(self, seen: _Seen) -> Callable[[], Awaitable[None]]:
        async def once() -> None:
            took = await self._asked(self._probe)
            check(took is not None, "a probe was refused")
            seen.probes.append(cast("float", took))

        return once

    def _reads(self, seen: _Seen) -> Callable[[], Awaitable[None]]:
        async def once() -> None:
            took = await self.read()
            if took is None:
                seen.refused += 1
            else:
                seen.reads.append(took)

        return once

    async def _often(self, once: Callable[[], Awaitable[None]], until: float) -> None:
        while time.perf_counter() < until:
            await once()
            await asyncio.sleep(_PAUSE_S)

    async def _asked(self, request: bytes) -> float | None:
        """On a connection of its own, as probes and new clients have; with the handshake."""
        began = time.perf_counter()
        context = context_of(self._url, self._ca_file)
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(self._url).port, ssl=context)
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(length_of(head))
            return time.perf_counter() - began if head.startswith(b"HTTP/1.1 200 ") else None
        finally:
            with suppress(OSError):
                writer.transport.abort()
