"""Mirroring the whole vault: one node at a time, on an interval and whenever something is known to have changed."""

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta
from typing import Final
from uuid import uuid4

from holdfast.errors import BackendUnavailable, TransitionPending
from holdfast.ports import Clock, Ledger, SyncLease, SyncState
from holdfast.resilience.correlation import correlate
from holdfast.resilience.supervision import surviving
from holdfast.resilience.tasks import pause
from holdfast.service.vault.adoption import Adopter
from holdfast.service.vault.mirroring import MirrorPass, Progress, SyncReport
from holdfast.service.vault.primary import Primary

_log: Final = logging.getLogger(__name__)

LEASE: Final = timedelta(minutes=2)
"""How long a leader that is silent keeps the lead; it reports after each batch."""


class VaultSync:
    """Mirrors the vault. ``concurrency``: secrets looked into at the same time."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        primary: Primary,
        adopter: Adopter,
        state: SyncState,
        clock: Clock,
        interval_s: float = 300.0,
        concurrency: int = 8,
    ) -> None:
        self._ledger, self._primary, self._adopter, self._state = ledger, primary, adopter, state
        self._clock, self._interval_s, self._concurrency = clock, interval_s, concurrency
        self._node = uuid4()
        self._one_at_a_time = asyncio.Lock()
        self._woken = asyncio.Event()

    async def sync(self, progress: Progress | None = None) -> SyncReport:
        """Go over the whole vault once.

        Raises:
            TransitionPending: another node is at it.
            BackendUnavailable: Key Vault or the ledger went away; what was done so far stays.
        """
        async with self._one_at_a_time:
            lead = await self._state.lead(self._node, LEASE)
            if lead is None:
                raise TransitionPending(
                    "Another node is mirroring the vault at this moment, for all nodes: wait for it."
                )
            try:
                report = await self._pass(lead, progress).run(lead.started_at)
            except BaseException as error:
                with suppress(BackendUnavailable):
                    await self._state.finish(lead, error=type(error).__name__)
                raise
            await self._state.finish(lead)
            return report

    def wake(self) -> None:
        """Something changed in the vault: look now rather than at the end of the interval."""
        self._woken.set()

    async def run(self) -> None:
        """Mirror until cancelled."""
        while True:
            self._woken.clear()
            correlate(f"sync:{uuid4()}")
            with surviving(_log, "Mirroring the vault"):
                report = await self.sync()
                _log.info("The vault was mirrored: %s", report)
            await pause(self._interval_s, self._woken)

    def _pass(self, lead: SyncLease, progress: Progress | None) -> MirrorPass:
        async def keep_lead() -> None:
            if not await self._state.renew(lead, LEASE):
                raise TransitionPending("The lead of the mirroring was lost to another node")

        return MirrorPass(
            ledger=self._ledger,
            primary=self._primary,
            adopter=self._adopter,
            clock=self._clock,
            concurrency=self._concurrency,
            keep_lead=keep_lead,
            progress=progress,
        )
