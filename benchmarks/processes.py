"""Servers in processes of their own, stopped by their pid."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from benchmarks.measuring import Wrong

_HOLDFAST = "import sys; from holdfast.cli.main import main; sys.exit(main())"
_READY_WITHIN_S = 60
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
"""The grain of processor time as the kernel counts it."""

_ROOT = Path(__file__).parent.parent


class Server:
    """A running server at ``url``."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process, self.url = process, url

    def cpu_seconds(self) -> float:
        """Processor time that it and its workers have used so far."""
        return sum(map(_ticks, self._processes())) * TICK_S

    def memory(self) -> int:
        """Bytes that are its own: what it shares with others is not counted (``Private_*`` of smaps_rollup)."""
        rollup = Path(f"/proc/{self._process.pid}/smaps_rollup").read_text()
        return sum(map(int, re.findall(r"^Private_\w+:\s+(\d+) kB", rollup, re.MULTILINE))) * 1024

    def _processes(self) -> list[int]:
        pid = self._process.pid
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [pid, *map(int, workers.split())]

    async def kill(self) -> None:
        """End it as a power cut would."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Ask it to end, and wait."""
        await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            self._process.send_signal(number)
            await self._process.wait()


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@asynccontextmanager
async def holdfast(environ: dict[str, str], workers: int = 1) -> AsyncIterator[Server]:
    """``holdfast serve``, with settings."""
    async with _running(["-c", _HOLDFAST, "serve", "--json", "--workers", str(workers)], environ) as server:
        yield server


@asynccontextmanager
async def variant(name: str, answer: Path, environ: dict[str, str], workers: int = 1) -> AsyncIterator[Server]:
    """One of ``benchmarks.variants``."""
    async with _running(["-m", "benchmarks.variants", name, str(answer), str(workers)], environ) as server:
        yield server


@asynccontextmanager
async def sink() -> AsyncIterator[Server]:
    """``benchmarks.sink``."""
    async with _running(["-m", "benchmarks.sink"], {}) as server:
        yield server


async def result_of(way: str, environ: dict[str, str]) -> dict[str, Any]:
    """Run ``benchmarks.syncing`` and return what it tells."""
    process = await _start(["-m", "benchmarks.syncing", way], environ)
    written, _ = await process.communicate()
    if process.returncode:
        raise Wrong(f"going over a vault ended with exit code {process.returncode}")
    result: dict[str, Any] = json.loads(written)
    return result


@asynccontextmanager
async def _running(arguments: list[str], environ: dict[str, str]) -> AsyncIterator[Server]:
    process = await _start(arguments, environ)
    server = Server(process, "")
    try:
        async with asyncio.timeout(_READY_WITHIN_S):
            server.url = await _announced(process)
        yield server
    finally:
        await server.stop()


async def _start(arguments: list[str], environ: dict[str, str]) -> asyncio.subprocess.Process:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env={**kept, **environ, "HOLDFAST_LOG_LEVEL": "error"},
        cwd=_ROOT,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the benchmark, which then stops its servers
    )


async def _announced(process: asyncio.subprocess.Process) -> str:
    written, stdout = b"", cast("asyncio.StreamReader", process.stdout)
    while not written.endswith(b"}\n"):
        line = await stdout.readline()
        if not line:
            raise Wrong("a server ended before it took connections")
        written += line
    return str(json.loads(written)["url"])
