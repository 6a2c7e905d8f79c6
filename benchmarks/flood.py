"""``python -m benchmarks.flood URL CA HOST PATH TOKEN CONNECTIONS SECONDS``: a crowd that asks without a pause.

Every connection sends the next request as soon as it has an answer, whatever that says, and connects again when it was
closed. It tells how many answers there were, by status, and how long the admitted took.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import uvloop

from benchmarks.load import context_of, get, length_of
from benchmarks.measuring import percentile

_AT_ONCE = 64
"""Connections that are opened at a time."""


class Crowd:
    """What all of them have seen."""

    def __init__(self, request: bytes) -> None:
        self.request, self.running = request, True
        self.answers: Counter[str] = Counter()
        self.admitted: list[float] = []
        self.lost: asyncio.Queue[None] = asyncio.Queue()


class Member(asyncio.Protocol):
    """One connection."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd, self._received, self._sent_at = crowd, b"", 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready."""
        self._transport = cast("asyncio.Transport", transport)

    def ask(self) -> None:
        """Send the next request."""
        if self._crowd.running and self._transport is not None:
            self._sent_at = time.perf_counter()
            self._transport.write(self._crowd.request)

    def data_received(self, data: bytes) -> None:
        """Count an answer."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or len(body) < length_of(head):
            return
        status, self._received = head[9:12].decode(), b""
        self._crowd.answers[status] += 1
        if status == "200":
            self._crowd.admitted.append(time.perf_counter() - self._sent_at)
        self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """Have another one opened."""
        self._crowd.answers["closed"] += 1
        self._crowd.lost.put_nowait(None)


async def flood(url: str, ca: str, request: bytes, connections: int, seconds: float) -> Crowd:
    """Open all connections, say so, wait for a line on standard input, and ask for so many seconds."""
    crowd, context, port = Crowd(request), context_of(url, Path(ca)), urlsplit(url).port or 0
    loop, gate = asyncio.get_running_loop(), asyncio.Semaphore(_AT_ONCE)

    async def opened() -> Member | None:
        async with gate:
            try:
                _, member = await loop.create_connection(lambda: Member(crowd), "127.0.0.1", port, ssl=context)
            except OSError:
                crowd.lost.put_nowait(None)
                return None
            return member

    async def reopen() -> None:
        while True:
            await crowd.lost.get()
            if (member := await opened()) is not None:
                member.ask()

    members = await asyncio.gather(*(opened() for _ in range(connections)))
    print(json.dumps({"url": url}), flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    again = [asyncio.ensure_future(reopen()) for _ in range(_AT_ONCE)]
    for member in members:
        if member is not None:
            member.ask()
    await asyncio.sleep(seconds)
    crowd.running = False
    for task in again:
        task.cancel()
    return crowd


def main(arguments: list[str]) -> None:
    """Run, and write one JSON document."""
    url, ca, host, path, token, connections, seconds = arguments
    crowd = uvloop.run(flood(url, ca, get(path, host, token), int(connections), float(seconds)))
    waited = percentile(crowd.admitted, 99) if crowd.admitted else None
    print(json.dumps({"answers": crowd.answers, "admitted_p99_s": waited}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
