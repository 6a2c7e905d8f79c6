"""Sending the audit trail and its checkpoints elsewhere, at least once, on tasks of their own."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import uuid4

from holdfast.errors import HoldfastError
from holdfast.ports import Clock, Outlet, StreamStore
from holdfast.resilience.events import Log
from holdfast.resilience.outages import Outages
from holdfast.resilience.supervision import surviving

_log: Final = Log(__name__)

RECORDS: Final = "records"
CHECKPOINTS: Final = "checkpoints"

INTERVAL_S: Final = 1.0
"""Seconds between looks for something new."""

MAX_PAUSE_S: Final = 60.0
"""How long a stream that fails is left alone at most."""

LEASE: Final = timedelta(seconds=30)
"""How long one node alone delivers to a stream; longer than one delivery can take."""

AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Stream:
    """What is sent (RECORDS or CHECKPOINTS), and where to."""

    kind: str
    outlet: Outlet

    @property
    def name(self) -> str:
        """Its name in the database."""
        return f"{self.kind} to {self.outlet.name}"


class Streamer:
    """Delivers to all streams; each goes on by itself, whatever ails the others."""

    def __init__(self, streams: Sequence[Stream], store: StreamStore, clock: Clock) -> None:
        self.streams, self._store, self._clock = streams, store, clock
        self._holder, self._outages = uuid4(), Outages(monotonic=clock.monotonic)

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as group:
            for stream in self.streams:
                group.create_task(self._run(stream), name=stream.name)

    async def _run(self, stream: Stream) -> None:
        pause_s = INTERVAL_S
        while True:
            before_s, pause_s = pause_s, MAX_PAUSE_S
            with surviving(_log, f"Streaming the audit trail: {stream.name}"):
                pause_s = await self._round(stream, before_s)
            await self._clock.sleep(pause_s)

    async def _round(self, stream: Stream, paused_s: float) -> float:
        """Deliver what is next, if anything is; returns how long to pause after that."""
        try:
            leads = await self._store.lead(stream.name, self._holder, LEASE)
            return 0.0 if leads and await self.deliver(stream) else INTERVAL_S
        except HoldfastError as error:
            await self._note(stream, error)
            return min(max(paused_s, INTERVAL_S) * 2, MAX_PAUSE_S)

    async def deliver(self, stream: Stream) -> bool:
        """Deliver what is next, if anything is; returns whether it was.

        Raises:
            BackendUnavailable: it may or may not have arrived; it is sent again.
        """
        if stream.kind == CHECKPOINTS:
            checkpoints = await self._store.next_checkpoints(stream.name, AT_ONCE)
            if checkpoints:
                await self._send(stream, [line for _, line in checkpoints])
                await self._store.delivered_checkpoint(stream.name, self._holder, checkpoints[-1][0])
            return bool(checkpoints)
        entries = await self._store.next(stream.name, AT_ONCE)
        if entries:
            await self._send(stream, [entry.line() for entry in entries])
            await self._store.delivered(stream.name, self._holder, entries)
        return bool(entries)

    async def _send(self, stream: Stream, lines: Sequence[bytes]) -> None:
        what = f"Streaming {stream.name}"
        try:
            await stream.outlet.send(lines)
        except HoldfastError as error:
            self._outages.failed(what, error)
            raise
        self._outages.works(what)

    async def _note(self, stream: Stream, error: HoldfastError) -> None:
        try:
            await self._store.failed(stream.name, str(error))
        except HoldfastError:  # PostgreSQL is what fails; the log has it
            return
