"""Key Vault behind a node: the client, what keeps it from hurting us, and what keeps both sides equal."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from holdfast.config import Settings
from holdfast.errors import BackendUnavailable
from holdfast.ports import BackendHealth, Clock, Journal, KeptOutStore, Ledger, Sealer, SyncState, Telemetry, Vault
from holdfast.resilience.events import Log
from holdfast.resilience.supervision import Work, surviving
from holdfast.service.secrets.coherence import Unsettled
from holdfast.service.secrets.proposing import Proposals
from holdfast.service.secrets.upstream import Upstream
from holdfast.service.vault.adoption import Adopter
from holdfast.service.vault.applying import Applier
from holdfast.service.vault.histories import Histories
from holdfast.service.vault.primary import Primary
from holdfast.service.vault.reconciliation import Reconciler
from holdfast.service.vault.replication import Replicator
from holdfast.service.vault.sync import VaultSync

_log: Final = Log(__name__)

_LOOK_INTERVAL_S: Final = 1.0
"""Seconds between looks at which secrets Key Vault still waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """Key Vault, as the copy that follows the commit point."""

    vault: Vault
    primary: Primary
    adopter: Adopter
    histories: Histories
    replicator: Replicator
    sync: VaultSync
    reconciler: Reconciler
    journal: Journal
    unsettled: Unsettled

    @property
    def upstream(self) -> Upstream:
        """What reads need of it."""
        return Upstream(self.primary, self.histories)

    def background(self) -> dict[str, Work]:
        """What has to go on to keep it equal."""
        return {
            "replay": self.replicator.run,
            "mirroring": self.sync.run,
            "former values": self.sync.fetch_values,
            "unsettled": self._look,
            "wakefulness": self.primary.awake.run,
        }

    async def _look(self) -> None:
        while True:
            with surviving(_log, "Looking for what Key Vault waits for"):
                look = self.unsettled.begin_look()
                self.unsettled.end_look(look, await self.journal.waiting())
            await asyncio.sleep(_LOOK_INTERVAL_S)

    def health(self) -> BackendHealth:
        """What the breakers say of it."""
        trouble = self.primary.troubles
        return BackendHealth(
            name="keyvault",
            configured=True,
            healthy=not trouble,
            detail="; ".join(trouble),
            breakers=self.primary.breakers,
            calls=self.primary.calls(),
        )

    async def probe(self) -> str | None:
        """Ask Key Vault for one page of its secrets; return why there is no answer, or None when there is one."""
        try:
            async with aclosing(self.primary.secrets()) as secrets:
                await anext(secrets, None)
        except BackendUnavailable as error:
            return str(error)
        return None

    async def aclose(self) -> None:
        """Finish what is being sent, then close connections and credentials."""
        await self.replicator.aclose()
        await self.histories.aclose()
        await self.primary.aclose()
        await self.vault.aclose()


def open_replica(
    settings: Settings,
    vault: Vault,
    *,
    ledger: Ledger,
    journal: Journal,
    sync_state: SyncState,
    kept_out: KeptOutStore,
    sealer: Sealer,
    clock: Clock,
    unsettled: Unsettled,
    proposals: Proposals,
    telemetry: Telemetry,
) -> Replica:
    """Return what keeps a vault equal under the settings, with nothing sent to it yet."""
    patience_s = settings.read_patience.total_seconds()
    primary = Primary(vault, clock, patience_s=patience_s, on_transition=telemetry.breaker_moved)
    adopter = Adopter(
        ledger=ledger,
        journal=journal,
        sealer=sealer,
        primary=primary,
        clock=clock,
        retention=timedelta(days=settings.retention_days),
    )
    applier = Applier(ledger=ledger, sealer=sealer, primary=primary, adopter=adopter, journal=journal, clock=clock)
    replicator = Replicator(
        journal=journal, applier=applier, adopter=adopter, proposals=proposals, clock=clock, tracing=telemetry.tracing
    )
    return Replica(
        vault=vault,
        primary=primary,
        adopter=adopter,
        histories=Histories(adopter, patience_s=patience_s),
        replicator=replicator,
        sync=VaultSync(
            ledger=ledger,
            primary=primary,
            adopter=adopter,
            state=sync_state,
            kept_out=kept_out,
            clock=clock,
            interval_s=settings.sync_interval.total_seconds(),
        ),
        reconciler=Reconciler(
            ledger=ledger, journal=journal, adopter=adopter, replicator=replicator, kept_out=kept_out
        ),
        journal=journal,
        unsettled=unsettled,
    )
