"""The audit trail: nothing is answered before its record is durable in one of two sinks.

One sequencer per process gives each record its place in the process's own hash chain. Natural group commit: whatever
arrives while one batch is being written goes into the next, with no timer. PostgreSQL is the first sink; while it is
out of reach records go to the local log, and are shipped when it is back.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from holdfast.domain.audit import AuditRecord, record_of
from holdfast.domain.chain import OPEN, Chain, ChainId, Entry
from holdfast.domain.policy import SYSTEM
from holdfast.errors import AuditUnavailable, BackendUnavailable, HoldfastError
from holdfast.ports import SILENCE, AuditArchive, AuditSink, Clock, Telemetry, traced
from holdfast.resilience.events import Event, Log
from holdfast.resilience.outages import Outages
from holdfast.resilience.retry import doubled
from holdfast.service.audit.tail import Tail
from holdfast.service.crashpoints import Crashpoint, no_crash

_log: Final = Log(__name__)

SINK_TIMEOUT_S: Final = 1.0
"""A sink that hangs for longer is treated as one that failed; the other takes the batch."""

COOL_DOWN_S: Final = 1.0
LONGEST_COOL_DOWN_S: Final = 30.0
"""How long a failed sink is left alone before the next batch tries it again: doubled with each failure in a row."""

TAKEN_AT_ONCE: Final = 500
"""Records that were committed with their change and get their places in one transaction."""

GIVEN_UP_AFTER: Final = timedelta(hours=1)
"""A chain that had no record for this long gets no more, so that it need not be watched for ever."""

_AWAY: Final = (BackendUnavailable, TimeoutError)
"""How a sink fails that is not there now; the entries it was given may be in it, or get there yet."""

_DATABASE: Final = "PostgreSQL"
_RECORDS: Final = "audit records"
_LOCAL: Final = "The local audit log"
RESTORED: Final = "audit.restored"
"""The operation of the record that says that others were written again."""


class AuditTrail:
    """Implements ``ports.AuditLog`` over a first sink and a local one.

    Args:
        writer: this process's place, kept over restarts; no two live processes share one.
        outages: tells of those of PostgreSQL, which others meet as well.
    """

    def __init__(
        self,
        writer: UUID,
        first: AuditArchive,
        local: AuditSink,
        clock: Clock,
        telemetry: Telemetry = SILENCE,
        outages: Outages | None = None,
        *,
        crashpoint: Crashpoint = no_crash,
    ) -> None:
        self._writer_id, self._first, self._local, self._clock = writer, first, local, clock
        self._telemetry, self._outages = telemetry, outages or Outages()
        self._crashpoint = crashpoint
        self._chain: Chain | None = None
        self._opening: AuditRecord | None = None
        self._boot, self._used_at = 0, clock.now()
        self._records: list[AuditRecord] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._outbox_waits = False
        self._tail = Tail(clock.monotonic)
        self._writer: asyncio.Task[None] | None = None
        self._first_failed_at: float | None = None
        self._failures = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def degraded(self) -> bool:
        """Whether records go to the local log because the first sink fails."""
        return self._first_failed_at is not None

    @property
    def comparing(self) -> bool:
        """Whether the newest records are still to be compared with the database."""
        return self._tail.doubted

    async def append(self, record: AuditRecord) -> None:
        """See the port."""
        if self._loop is None:
            # Asking for the loop costs a system call on Python 3.11, and this is asked for every record.
            self._loop = asyncio.get_running_loop()
        waiter = self._loop.create_future()
        self._records.append(record)
        self._waiters.append(waiter)
        self._start()
        with traced("audit"):
            await waiter

    def first_is_back(self) -> None:
        """The first sink takes records again; who ships the local log finds out without keeping an answer waiting."""
        self._first_failed_at, self._failures = None, 0
        self._outages.works(_DATABASE, _RECORDS)

    def compare(self) -> None:
        """The database may have gone back: compare the newest records with it, and write the missing ones again.

        Who says so has just reached it.
        """
        self.first_is_back()
        self._tail.doubt()
        self._start()

    async def run(self) -> None:
        """Go on comparing where the database did not answer, until cancelled."""
        while True:
            await self._clock.sleep(COOL_DOWN_S)
            self._start()

    def newest(self) -> list[Entry]:
        """The records that a failover may yet take back from the database."""
        return self._tail.entries()

    def take_new(self) -> list[Entry]:
        """The records that were confirmed since the last call."""
        return self._tail.take_new()

    def take_in(self) -> None:
        """Give records that were committed with their change a place in the chain, soon and before those that follow.

        Whatever becomes of that, they are durable already; the next call tries again.
        """
        self._outbox_waits = True
        self._start()

    async def aclose(self) -> None:
        """Return when nothing waits for its place."""
        while self._writer is not None:
            await asyncio.wait({self._writer})

    def _start(self) -> None:
        if self._writer is None and self._has_work():
            self._writer = asyncio.create_task(self._write_all(), name="audit")

    def _has_work(self) -> bool:
        return bool(self._records) or self._outbox_waits or (self._tail.doubted and self._first_is_due())

    async def _write_all(self) -> None:
        try:
            while self._has_work():
                if self._tail.doubted and self._first_is_due():
                    await self._compare_some()  # first, so that what had its place is not given another one
                elif self._outbox_waits:
                    await self._empty_outbox()
                records, waiters = self._records, self._waiters
                self._records, self._waiters = [], []
                if records:
                    await self._settle(records, waiters)
        finally:
            self._writer = None

    async def _settle(self, records: Sequence[AuditRecord], waiters: Sequence[asyncio.Future[None]]) -> None:
        failure: Exception | None = None
        try:
            await self._write(records)
            self._telemetry.audited(len(records))
        except HoldfastError as error:
            failure = error
        except Exception as error:
            failure = AuditUnavailable("The audit trail failed, so nothing is disclosed: the log has the reason.")
            failure.__cause__ = error
        for waiter in waiters:
            if waiter.done():  # who waited was cancelled
                continue
            if failure is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(failure)

    async def _write(self, records: Sequence[AuditRecord]) -> None:
        chain = await self._open_chain()
        entries = self._extend(chain, records)
        self._chain = None  # until it is certain where it ends: no place is ever given out twice
        failure = await self._failure_of_first(entries)
        self._crashpoint("written")
        if failure is not None:
            await self._write_locally(entries)
            self._crashpoint("spooled")
        chain.advance(entries)
        if failure is None or isinstance(failure, _AWAY):
            self._chain = chain

    async def _failure_of_first(self, entries: Sequence[Entry]) -> Exception | None:
        """Write to the first sink; returns why it may not have these entries, if so. None: it has them all."""
        if not self._first_is_due():
            return BackendUnavailable("it failed a moment ago")
        try:
            async with asyncio.timeout(SINK_TIMEOUT_S):
                await self._first.write(entries)
        except Exception as error:
            self._first_failed(error)
            return error
        self.first_is_back()
        self._tail.add(entries)
        return None

    async def _write_locally(self, entries: Sequence[Entry]) -> None:
        try:
            async with asyncio.timeout(SINK_TIMEOUT_S):
                await self._local.write(entries)
            self._outages.works(_LOCAL)
        except _AWAY as error:
            self._outages.failed(_LOCAL, str(error) or type(error).__name__)
            raise AuditUnavailable(
                "No audit sink takes records, so nothing is disclosed: "
                "restore PostgreSQL, or make the data folder writable with space left."
            ) from error

    async def _empty_outbox(self) -> None:
        self._outbox_waits = False
        if not self._first_is_due():
            return
        chain = await self._open_chain()

        def extend(records: Sequence[AuditRecord]) -> list[Entry]:
            self._chain = None  # as in _write
            return self._extend(chain, records)

        try:
            async with asyncio.timeout(SINK_TIMEOUT_S):
                taken = await self._first.take_in(extend, TAKEN_AT_ONCE)
        except _AWAY as error:
            self._first_failed(error)
        except Exception as error:
            _log(Event.AUDIT_PLACES_WAIT, trace=error)
        else:
            self._crashpoint("chained")
            self.first_is_back()
            chain.advance(taken)
            self._chain = chain
            self._tail.add(taken)
            self._outbox_waits |= len(taken) >= TAKEN_AT_ONCE

    async def _compare_some(self) -> None:
        try:
            async with asyncio.timeout(SINK_TIMEOUT_S):
                restored = await self._tail.compare_some(self._first)
        except Exception as error:
            self._first_failed(error)
            return
        if restored:
            _log(Event.AUDIT_RESTORED, count=restored)
            detail = f"{restored} records were not in the database any more and were written again"
            self._records.append(record_of(SYSTEM, RESTORED, "*", self._clock.now(), detail=detail))

    def _extend(self, chain: Chain, records: Sequence[AuditRecord]) -> list[Entry]:
        if chain.seq == 0 and self._opening is not None:
            records = [self._opening, *records]
        return chain.extend(records)

    async def _open_chain(self) -> Chain:
        """The chain of this boot; a new one at the start, and wherever it is not certain how the former ends."""
        now = self._clock.now()
        if now - self._used_at > GIVEN_UP_AFTER:
            self._chain = None
        self._used_at = now
        if self._chain is None:
            self._boot = max(self._boot + 1, round(now.timestamp() * 1_000_000))
            self._chain = Chain(ChainId(self._writer_id, self._boot))
            self._opening = record_of(SYSTEM, OPEN, "*", now, detail=await self._former_end())
        return self._chain

    async def _former_end(self) -> str:
        if not self._first_is_due():
            return "the end of the former chain is not known"
        try:
            async with asyncio.timeout(SINK_TIMEOUT_S):
                head = await self._first.last_head(self._writer_id)
        except _AWAY as error:
            self._first_failed(error)
            return "the end of the former chain is not known"
        return f"after boot {head.boot}, seq {head.seq}, hash {head.hash.hex()}" if head else "the first of this writer"

    def _first_is_due(self) -> bool:
        failed_at = self._first_failed_at
        if failed_at is None:
            return True
        pause_s = doubled(COOL_DOWN_S, self._failures - 1, LONGEST_COOL_DOWN_S)
        return self._clock.monotonic() - failed_at >= pause_s

    def _first_failed(self, error: Exception) -> None:
        self._first_failed_at = self._clock.monotonic()
        self._failures += 1
        reason = str(error) or type(error).__name__
        self._outages.failed(_DATABASE, f"{reason.rstrip('.')}; audit records go to the local log", _RECORDS)
