"""From a checked request to a change: asked of Key Vault first where that can be, accepted where not (ADR 0017)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar
from weakref import WeakValueDictionary

from msgspec.structs import replace

from holdfast.domain.intent import IntentKind
from holdfast.domain.names import SecretName
from holdfast.domain.secret import SecretVersion
from holdfast.errors import (
    BackendUnavailable,
    ChangePending,
    HoldfastError,
    NameRefused,
    OutcomeUnknown,
    SecretDeleted,
    TransitionPending,
    VaultRefusal,
)
from holdfast.ports import Clock, Ledger, LedgerTransaction
from holdfast.resilience.events import Event, Log
from holdfast.service.crashpoints import Crashpoint, no_crash
from holdfast.service.secrets.announcing import Announcer, Reach
from holdfast.service.secrets.changes import Change
from holdfast.service.secrets.idempotency import Made
from holdfast.service.secrets.proposing import FIRST_FENCE, Proposals, Taken

_log: Final = Log(__name__)

T = TypeVar("T")

_CHANGED_THERE: Final = Taken(strangers=True)
"""Others deleted, recovered or purged it there: that is to be taken over."""

Plan = Callable[[LedgerTransaction], Awaitable[Change | Made]]
"""Locks the secret, makes every check, and returns the change; or what an earlier request of the same key made."""

AlsoWrite = Callable[[LedgerTransaction, SecretVersion], Awaitable[None]]
"""What else is to be committed with a new version, or with none at all if it raises."""

PATIENCE_S: Final = 15.0
"""Seconds that a change waits for another one of the same secret."""

_LOOK_S: Final = 0.05
_PAUSES_S: Final = (0.2, 1.0, 3.0)
"""Seconds between tries to note Key Vault's answer; all of them together fit into the lease of a proposal."""


@dataclass(frozen=True, slots=True)
class Enacted:
    """A change that counts. ``replicated``: Key Vault has it, and calls a new version ``vault_version_id``."""

    change: Change
    replicated: bool
    vault_version_id: str | None = None

    @property
    def version(self) -> SecretVersion:
        """The version that was made or changed, or else the current one."""
        version = replace(self.change.version, display_name=self.change.head.display_name)
        if self.change.kind is not IntentKind.SET or self.vault_version_id is None:
            return version
        return replace(version, vault_version_id=self.vault_version_id, told_id=self.vault_version_id)


class Maker:
    """Makes changes, one at a time per secret."""

    def __init__(
        self,
        ledger: Ledger,
        proposals: Proposals,
        announcer: Announcer,
        clock: Clock,
        *,
        crashpoint: Crashpoint = no_crash,
    ) -> None:
        self._ledger, self._proposals, self._announcer = ledger, proposals, announcer
        self._clock, self._crashpoint = clock, crashpoint
        self._turns: WeakValueDictionary[SecretName, asyncio.Lock] = WeakValueDictionary()
        self._flights: set[asyncio.Task[Enacted]] = set()

    async def make(
        self, name: SecretName, kind: IntentKind, plan: Plan, also: AlsoWrite | None = None
    ) -> Enacted | Made:
        """Make a change, after those of the same secret that came before. One with ``also`` is never asked about.

        Raises:
            VaultRefusal, SecretDeleted: Key Vault refuses it, and nothing has changed.
            ChangePending: Key Vault takes too long over another change of this secret.
            OutcomeUnknown: PostgreSQL was lost at the wrong moment: it may have been made, or may be made yet.
        """
        async with self._turn(name):
            return await self.patiently(name, lambda: self._make(name, kind, plan, also))

    async def patiently(self, name: SecretName, work: Callable[[], Awaitable[T]]) -> T:
        """Do what needs a secret's lock, after the change that Key Vault is being asked about."""
        deadline = self._clock.monotonic() + PATIENCE_S
        while True:
            try:
                return await work()
            except ChangePending:
                await self._freed(name, deadline)

    async def _freed(self, name: SecretName, deadline: float) -> None:
        """Wait in the database, since the work may begin with a question to Key Vault."""
        while True:
            await self._clock.sleep(_LOOK_S)
            try:
                async with self._ledger.transaction() as tx:
                    await tx.lock(name)
            except ChangePending:
                if self._clock.monotonic() >= deadline:
                    raise
            else:
                return

    async def aclose(self) -> None:
        """Wait for what Key Vault is being asked."""
        if self._flights:
            await asyncio.wait(set(self._flights), timeout=PATIENCE_S)

    @asynccontextmanager
    async def _turn(self, name: SecretName) -> AsyncIterator[None]:
        turn = self._turns.setdefault(name, asyncio.Lock())
        try:
            async with asyncio.timeout(PATIENCE_S):
                await turn.acquire()
        except TimeoutError:
            raise ChangePending(f"Other changes of {name!r} are still being made; try again") from None
        try:
            yield
        finally:
            turn.release()

    async def _make(self, name: SecretName, kind: IntentKind, plan: Plan, also: AlsoWrite | None) -> Enacted | Made:
        reach = Reach.PUSH if also else await self._announcer.reach(name, kind)
        async with self._ledger.transaction() as tx:
            planned = await plan(tx)
            if isinstance(planned, Made):
                return planned
            ask = reach is Reach.ASK and planned.journalled and not await tx.in_the_way(name, kind)
            if ask:
                await self._proposals.propose(tx, planned)
            else:
                revision = await self._accept(tx, planned, also)
        if ask:
            self._crashpoint("proposed")
            return await self._asked(planned)
        await self._proposals.committed(planned, revision)
        replicated = await self._announcer.replicated(planned, revision, push=reach is not Reach.REPLAY)
        if replicated:
            await self._proposals.renamed(planned)
        return Enacted(planned, replicated)

    async def _accept(self, tx: LedgerTransaction, change: Change, also: AlsoWrite | None) -> int:
        if change.journalled:
            await self._announcer.journal(tx, change.intent_id, change.head, change.kind, change.subject)
        revision = await self._proposals.enactor.enact(tx, change)
        if also is not None:
            await also(tx, change.version)
        return revision

    async def _asked(self, change: Change) -> Enacted:
        """Ask Key Vault; no impatience of a caller leaves an outcome unknown."""
        flight = asyncio.create_task(self._ask(change), name=f"ask-{change.name}")
        self._flights.add(flight)
        flight.add_done_callback(self._landed)
        return await asyncio.shield(flight)

    def _landed(self, flight: asyncio.Task[Enacted]) -> None:
        self._flights.discard(flight)
        if not flight.cancelled():
            flight.exception()  # told to whoever waited, if anybody did

    async def _ask(self, change: Change) -> Enacted:
        """Ask Key Vault, and do as it says."""
        try:
            taken = await self._announcer.offer(change)
        except NameRefused as error:
            return await self._refused(change, VaultRefusal(f"{error}", status=403, vault_code="Forbidden"))
        except (TransitionPending, BackendUnavailable) as error:
            return await self._answered(change, None, error)
        except HoldfastError as error:
            return await self._refused(change, error)
        return await self._answered(change, taken, None)

    async def _answered(self, change: Change, taken: Taken | None, error: HoldfastError | None) -> Enacted:
        self._crashpoint("answered")
        ours = await self._noted(change, lambda: self._proposals.enact(change, FIRST_FENCE, taken, error))
        if not ours:  # this node was away for so long that another one accepted the change
            return Enacted(change, await self._announcer.settled(change.name, change.intent_id))
        await self._announcer.taken(change.name, taken)
        return Enacted(change, taken is not None, taken.vault_version_id if taken else None)

    async def _refused(self, change: Change, error: HoldfastError) -> Enacted:
        self._crashpoint("answered")
        if await self._noted(change, lambda: self._proposals.refuse(change, FIRST_FENCE, error)):
            if isinstance(error, SecretDeleted) or (isinstance(error, VaultRefusal) and error.status == 404):
                await self._announcer.taken(change.name, _CHANGED_THERE)
            raise error
        return Enacted(change, await self._announcer.settled(change.name, change.intent_id))

    async def _noted(self, change: Change, note: Callable[[], Awaitable[bool]]) -> bool:
        """Note Key Vault's answer, against all odds: the caller must be told what became of the change."""
        for pause_s in (0.0, *_PAUSES_S):
            await self._clock.sleep(pause_s)
            try:
                return await note()
            except (BackendUnavailable, ChangePending) as error:
                _log(Event.ANSWER_NOT_NOTED, name=change.name, reason=error)
        raise OutcomeUnknown(
            f"Key Vault was asked about {change.name!r}, and PostgreSQL was lost before the answer could be noted: "
            "the change may yet be made. Repeat it with the same idempotency key, or look."
        )
