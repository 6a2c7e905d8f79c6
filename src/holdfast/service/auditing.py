"""The audit trail: nothing is answered before its record is durable in one of two sinks.

Natural group commit: whatever arrives while one batch is being written goes into the next, with no timer. PostgreSQL
is the first sink; while it is out of reach records go to the local log, and are shipped when it is back.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from holdfast.domain.audit import AuditRecord
from holdfast.errors import AuditUnavailable, BackendUnavailable, HoldfastError
from holdfast.ports import AuditSink, Clock

_log: Final = logging.getLogger(__name__)

SINK_TIMEOUT_S: Final = 1.0
"""A sink that hangs for longer is treated as one that failed; the other takes the batch."""

COOL_DOWN_S: Final = 1.0
"""How long a failed sink is left alone before the next batch tries it again."""


@dataclass(slots=True)
class _Batch:
    records: list[AuditRecord] = field(default_factory=list)
    durable: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class AuditTrail:
    """Implements ``ports.AuditLog`` over a first sink and a local one."""

    def __init__(self, first: AuditSink, local: AuditSink, clock: Clock) -> None:
        self._first, self._local, self._clock = first, local, clock
        self._gathering: _Batch | None = None
        self._writer: asyncio.Task[None] | None = None
        self._first_failed_at: float | None = None

    @property
    def degraded(self) -> bool:
        """Whether records go to the local log because the first sink fails."""
        return self._first_failed_at is not None

    async def append(self, record: AuditRecord) -> None:
        """See the port."""
        if self._gathering is None:
            self._gathering = _Batch()
        batch = self._gathering
        batch.records.append(record)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all(), name="audit")
        await asyncio.shield(batch.durable)

    async def _write_all(self) -> None:
        try:
            while self._gathering is not None:
                batch, self._gathering = self._gathering, None
                await self._settle(batch)
        finally:
            self._writer = None

    async def _settle(self, batch: _Batch) -> None:
        try:
            await self._write(batch.records)
        except Exception as error:
            failure = error if isinstance(error, HoldfastError) else AuditUnavailable("The audit trail failed")
            failure.__cause__ = failure.__cause__ or error if failure is not error else failure.__cause__
            batch.durable.set_exception(failure)
            batch.durable.exception()  # a waiter that was cancelled never asks; that is no fault to report
        else:
            batch.durable.set_result(None)

    async def _write(self, records: Sequence[AuditRecord]) -> None:
        if self._first_is_due():
            try:
                async with asyncio.timeout(SINK_TIMEOUT_S):
                    await self._first.write(records)
            except (BackendUnavailable, TimeoutError) as error:
                self._first_failed_at = self._clock.monotonic()
                _log.warning("Audit records go to the local log: %s", error)
            else:
                self._first_failed_at = None
                return
        await self._write_locally(records)

    def _first_is_due(self) -> bool:
        failed_at = self._first_failed_at
        return failed_at is None or self._clock.monotonic() - failed_at >= COOL_DOWN_S

    async def _write_locally(self, records: Sequence[AuditRecord]) -> None:
        try:
            async with asyncio.timeout(SINK_TIMEOUT_S):
                await self._local.write(records)
        except (BackendUnavailable, TimeoutError) as error:
            raise AuditUnavailable(
                "No audit sink takes records, so nothing is disclosed: "
                "restore PostgreSQL, or make the data folder writable with space left."
            ) from error
