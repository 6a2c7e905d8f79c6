"""Mirroring the whole vault: one node at a time, on an interval and whenever something is known to have changed."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Final
from uuid import uuid4

from holdfast.domain.audit import printable
from holdfast.errors import BackendUnavailable, TransitionPending, shown
from holdfast.ports import Clock, KeptOutStore, Ledger, SyncLease, SyncState
from holdfast.resilience.correlation import correlate
from holdfast.resilience.events import Event, Log
from holdfast.resilience.outages import Outages
from holdfast.resilience.supervision import surviving
from holdfast.resilience.tasks import pause
from holdfast.service.vault.adoption import Adopter
from holdfast.service.vault.keeping import KeptOutNames
from holdfast.service.vault.mirroring import MirrorPass, Progress, SyncReport
from holdfast.service.vault.primary import Primary

_log: Final = Log(__name__)

LEASE: Final = timedelta(minutes=2)
"""How long a leader that is silent keeps the lead; it reports after each batch."""

_MAX_ERROR: Final = 1000


class VaultSync:
    """Mirrors the vault. ``concurrency``: secrets looked into at the same time."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        primary: Primary,
        adopter: Adopter,
        state: SyncState,
        kept_out: KeptOutStore,
        clock: Clock,
        interval_s: float = 300.0,
        concurrency: int = 8,
    ) -> None:
        self._ledger, self._primary, self._adopter, self._state = ledger, primary, adopter, state
        self._kept_out, self._clock = kept_out, clock
        self._interval_s, self._concurrency = interval_s, concurrency
        self._node = uuid4()
        self._lists = Outages(Event.VAULT_LIST_BROKEN, Event.VAULT_LIST_WHOLE, monotonic=clock.monotonic)
        self._one_at_a_time = asyncio.Lock()
        self._woken, self._passed = asyncio.Event(), asyncio.Event()

    async def sync(self, progress: Progress | None = None, *, all_due: bool = True) -> SyncReport:
        """Go over the whole vault once. ``all_due``: try the names that are kept out as well, all of them.

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
                report = await self._pass(lead, progress, all_due=all_due).run(lead.started_at)
            except BaseException as error:
                with suppress(BackendUnavailable):
                    await self._state.finish(lead, error=printable(shown(error), _MAX_ERROR))
                raise
            await self._state.finish(lead, error=report.incomplete, lacking=report.lacking)
            self._tell("secrets", report.incomplete)
            self._tell("deleted secrets", report.lacking)
            self._passed.set()
            return report

    def _tell(self, what: str, fault: str | None) -> None:
        if fault is None:
            self._lists.works(what)
        else:
            self._lists.failed(what, fault)

    def wake(self) -> None:
        """Something changed in the vault: look now rather than at the end of the interval."""
        self._woken.set()

    async def run(self) -> None:
        """Mirror until cancelled."""
        while True:
            self._woken.clear()
            correlate(f"sync:{uuid4()}")
            with surviving(_log, "Mirroring the vault"):
                report = await self.sync(all_due=False)
                _log(Event.VAULT_MIRRORED, report=report)
            await pause(self._interval_s, self._woken)

    async def fetch_values(self) -> None:
        """After each pass of this node, fetch the values of former versions that the mirror lacks, until cancelled."""
        while True:
            await self._passed.wait()
            self._passed.clear()
            with surviving(_log, "Fetching values of former versions"):
                await self._adopter.fetcher.fetch_everywhere()

    def _pass(self, lead: SyncLease, progress: Progress | None, *, all_due: bool) -> MirrorPass:
        async def keep_lead() -> None:
            if not await self._state.renew(lead, LEASE):
                raise TransitionPending("The lead of the mirroring was lost to another node")

        pause = timedelta(seconds=self._interval_s)
        return MirrorPass(
            ledger=self._ledger,
            primary=self._primary,
            adopter=self._adopter,
            clock=self._clock,
            concurrency=self._concurrency,
            kept_out=KeptOutNames(self._kept_out, lead.started_at, pause, all_due=all_due),
            keep_lead=keep_lead,
            progress=progress,
        )
