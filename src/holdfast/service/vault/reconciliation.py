"""What awaits a person: differences from Key Vault that nothing here may settle by itself, and how to settle them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from holdfast.domain.intent import Intent
from holdfast.domain.names import SecretName
from holdfast.ports import Head, Journal, KeptOut, KeptOutStore, Ledger
from holdfast.resilience.events import Event, Log
from holdfast.service.vault.adoption import Adopter
from holdfast.service.vault.replication import Replicator

_KEPT_OUT: Final = 1000


_log: Final = Log(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileReport:
    """Where both sides differ.

    ``drifting``: heads with a ``drift``. ``parked``: intents that Key Vault refuses, with ``last_error`` saying the
    fix; they are tried again every hour. ``waiting``: the other intents that it has yet to learn of, at most 1,000 of
    the ``open`` ones that there are, those that failed first. ``conflicts``: acknowledged writes that met foreign ones
    since this node started. ``retried`` counts the parked intents that this call reopened, ``discarded`` the intents
    that it gave up. ``kept_out``: names that cannot be mirrored, up to a thousand.
    """

    drifting: list[Head]
    parked: list[Intent]
    open: int
    conflicts: int
    waiting: list[Intent] = field(default_factory=list)
    retried: int = 0
    discarded: int = 0
    kept_out: Sequence[KeptOut] = ()


class Reconciler:
    """Reports differences, and carries out what a person decided about them."""

    def __init__(
        self, *, ledger: Ledger, journal: Journal, adopter: Adopter, replicator: Replicator, kept_out: KeptOutStore
    ) -> None:
        self._ledger, self._journal, self._adopter, self._replicator = ledger, journal, adopter, replicator
        self._kept_out = kept_out

    async def reconcile(self, *, retry: bool = False, discard: SecretName | None = None) -> ReconcileReport:
        """Report what awaits a person.

        Args:
            retry: replay everything that waits now, parked intents included, first.
            discard: give up what waits of this secret, first, and let Key Vault's state of it stand.

        Raises:
            BackendUnavailable: a backend that is needed for this does not answer.
        """
        discarded = await self._discard(discard) if discard else 0
        retried = await self._replicator.retry_parked() if retry else 0
        status = await self._journal.status()
        return ReconcileReport(
            drifting=await self._ledger.drifting(),
            parked=await self._journal.parked(),
            waiting=await self._journal.open(),
            open=status.open,
            conflicts=self._adopter.conflicts,
            retried=retried,
            discarded=discarded,
            kept_out=await self._kept_out.names(limit=_KEPT_OUT),
        )

    async def _discard(self, name: SecretName) -> int:
        discarded = await self._journal.discard(name)
        if discarded:
            _log(Event.CHANGE_DISCARDED, count=discarded, name=name)
        await self._replicator.drain()
        await self._adopter.refresh(name)
        return discarded
