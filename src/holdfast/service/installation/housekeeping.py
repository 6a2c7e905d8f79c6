"""What has to be done now and then.

Ship the local audit log, end retention times, forget what nobody asks for, get what was purged off the disk.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Final, Protocol

from holdfast.domain.chain import Entry
from holdfast.domain.names import SecretName
from holdfast.domain.policy import SYSTEM_ID, AuthMethod, Caller, Permission
from holdfast.errors import Conflict, IntegrityFailure, KeyUnavailable
from holdfast.ports import Clock, Ledger
from holdfast.resilience.events import Event, Log
from holdfast.resilience.outages import Outages
from holdfast.resilience.supervision import surviving
from holdfast.service.access.guard import Guard
from holdfast.service.crashpoints import Crashpoint, no_crash
from holdfast.service.secrets.writing import Writer

_log: Final = Log(__name__)

INTERVAL_S: Final = 5.0
"""Seconds between rounds; soon enough that a shipped audit record is hardly missed."""

FORGET_EVERY_S: Final = 3600.0
"""Seconds between looks for what to forget: each passes over every settled intent that is still needed."""

FORGET_AFTER: Final = timedelta(days=30)
"""How long settled intents are kept for inspection."""


class LocalLog(Protocol):
    """The local audit log, as the one who empties it sees it."""

    def segments(self) -> Iterator[AbstractContextManager[Sequence[Entry]]]:
        """The whole entries of every file nobody else holds.

        A file is out of the way when its context ends without an error; one that is damaged, or holds what is refused
        for good (``IntegrityFailure``), is set aside.
        """


class Archive(Protocol):
    """Where those records belong."""

    async def write_once(self, entries: Sequence[Entry]) -> int:
        """Store entries, some of which may be there already; returns how many were not.

        Raises:
            IntegrityFailure: one of them is refused, whenever it is tried.
        """

    async def waiting(self) -> bool:
        """Whether any record that was committed with its change waits for its place in a chain."""

    async def make_room(self) -> None:
        """Make the partitions that the coming months need."""

    async def forget(self, older_than: timedelta) -> None:
        """Drop settled intents of that age, and idempotency records past their day."""


class Scrubber(Protocol):
    """Where deleted rows lie about until somebody removes them."""

    async def scrub(self) -> bool:
        """Remove from disk what was purged, if it is time; returns whether that was done."""


class Housekeeping:
    """Runs beside the service. Every step is safe to repeat and safe on several nodes at once.

    Args:
        take_in: lets this node give waiting audit records their places.
        shipped: is told whenever the archive has taken records of the local log.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        guard: Guard,
        writer: Writer,
        clock: Clock,
        local: LocalLog,
        archive: Archive,
        take_in: Callable[[], None],
        scrubber: Scrubber,
        shipped: Callable[[], None] = lambda: None,
        crashpoint: Crashpoint = no_crash,
    ) -> None:
        self._ledger, self._guard, self._writer, self._clock = ledger, guard, writer, clock
        self._local, self._archive, self._take_in, self._scrubber = local, archive, take_in, scrubber
        self._shipped, self._crashpoint = shipped, crashpoint
        self._forget_at = float("-inf")
        self._kept = Outages(Event.RETENTION_FAILS, Event.RETENTION_ENDED)
        self._steps = (
            self.ship_audit,
            self.chain_audit,
            archive.make_room,
            self.end_retention,
            self._forget,
            self._scrub,
        )

    async def run(self) -> None:
        """Keep house until cancelled."""
        while True:
            for step in self._steps:
                with surviving(_log, f"Housekeeping: {step.__name__.strip('_').replace('_', ' ')}"):
                    await step()
            await self._clock.sleep(INTERVAL_S)

    async def ship_audit(self) -> None:
        """Bring the records of the local log to PostgreSQL."""
        for segment in self._local.segments():
            with segment as entries:
                shipped, refused = await self._ship(entries)
                self._crashpoint("shipped")
                if shipped:
                    _log(Event.AUDIT_SHIPPED, count=shipped)
                    self._shipped()
                if refused is not None:
                    raise refused

    async def _ship(self, entries: Sequence[Entry]) -> tuple[int, IntegrityFailure | None]:
        """Store entries but for those that are refused for good; returns how many were new, and a refusal."""
        if not entries:
            return 0, None
        try:
            return await self._archive.write_once(entries), None
        except IntegrityFailure as refused:
            if len(entries) == 1:
                return 0, refused
        half = len(entries) // 2
        (first, before), (second, behind) = await self._ship(entries[:half]), await self._ship(entries[half:])
        return first + second, before or behind

    async def chain_audit(self) -> None:
        """Give records their place in a chain whose writer died between their commit and that."""
        if await self._archive.waiting():
            self._take_in()

    async def end_retention(self) -> None:
        """Purge deleted secrets whose time to be recovered is over."""
        for name in await self._ledger.overdue(self._clock.now()):
            try:
                await self._end(name)
            except Conflict as error:
                _log(Event.RETENTION_WAITS, name=name, reason=error)
            except (IntegrityFailure, KeyUnavailable) as error:
                self._kept.failed(name, error)
            else:
                self._kept.works(name)

    async def _end(self, name: SecretName) -> None:
        system = Caller(SYSTEM_ID, is_system=True, user_agent="retention", method=AuthMethod.SYSTEM)
        async with self._guard.operation(system, Permission.PURGE, name, "purge") as authorized:
            await self._writer.purge(authorized, retention_over=True)

    async def _forget(self) -> None:
        now = self._clock.monotonic()
        if now >= self._forget_at:
            await self._archive.forget(FORGET_AFTER)
            self._forget_at = now + FORGET_EVERY_S

    async def _scrub(self) -> None:
        if await self._scrubber.scrub():
            _log(Event.PURGE_DONE)
