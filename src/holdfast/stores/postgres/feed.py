"""What other nodes committed, read from rows at once; and PostgreSQL's clock.

Two connections: one asks on and on, the other listens. An announcement makes this node look at once, no more. A flood
of them, or a channel that is stuck, delays no heartbeat and so costs no lease.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from typing import Final

import asyncpg

from holdfast.errors import BackendUnavailable, IntegrityFailure, KeyUnavailable
from holdfast.ports import FeedListener, Sealer
from holdfast.resilience.events import Event, Log
from holdfast.resilience.supervision import Supervisor, Work, note_failure, note_success
from holdfast.resilience.tasks import pause, stopped
from holdfast.stores.postgres.clock import BelievedClock, elapsed_s, machine_time
from holdfast.stores.postgres.clock_acceptance import acceptance_of
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.errors import is_locked, reason_of
from holdfast.stores.postgres.hints import Hints
from holdfast.stores.postgres.pools import FEED, Connection
from holdfast.stores.postgres.queries import load
from holdfast.stores.postgres.questions import Questions

_log: Final = Log(__name__)

CHANNEL: Final = "holdfast"
_FOLLOWING: Final = "Following PostgreSQL"
_LISTENING: Final = "Listening to PostgreSQL"
_CLOCK: Final = "Reading PostgreSQL's clock"
_ACCEPTANCE: Final = "Reading who vouched for PostgreSQL's clock"

HEARTBEAT_S: Final = 0.5
"""How often PostgreSQL is asked for a sign of life, and whether announcements arrive."""

GAP_S: Final = 0.05
"""Seconds between two looks, whatever is announced: no one makes this node ask more than 20 times a second."""

LIVE_WITHIN_S: Final = 1.0
"""Without one for this long, a commit may have been missed: caches are then checked against the database."""

FIRST_CONTACT_S: Final = 10.0
"""How long a start waits for the first: before it this node knows no grants, and answers nobody."""

SILENT_AFTER_S: Final = 2.0
"""Without one for this long, and with a question unanswered, PostgreSQL is taken for silent and not waited for."""


class PostgresFeed:
    """Implements ``ports.Feed`` on two connections held all the time, and tells its clock the time.

    Args:
        sealer: proves who vouched for PostgreSQL's clock.
        elapsed: seconds that have passed since some moment.
        machine: the present moment by the clock of this machine.
    """

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        supervisor: Supervisor | None = None,
        *,
        elapsed: Callable[[], float] = elapsed_s,
        machine: Callable[[], datetime] = machine_time,
    ) -> None:
        self._database, self._sealer, self._supervisor = database, sealer, supervisor or Supervisor()
        self._contact = self._delivered = float("-inf")
        self._unanswered = False
        self._mark: int | None = None
        self._elapsed, self.clock = elapsed, BelievedClock(elapsed, machine)
        self._timeline: str | None = ""
        self._hints = Hints()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def well(self) -> bool:
        """Whether PostgreSQL answers, and what is to be heard of it is heard."""
        return self.live() or (self._database.pooled and self.seconds_since_contact() < LIVE_WITHIN_S)

    def live(self) -> bool:
        """See the port. Behind a pooler nothing is announced, so every read looks into PostgreSQL."""
        return self._elapsed() - min(self._contact, self._delivered) < LIVE_WITHIN_S

    def answering(self) -> bool:
        """Whether PostgreSQL gives signs of life."""
        return not self._unanswered or self.seconds_since_contact() < SILENT_AFTER_S

    def seconds_since_contact(self) -> float:
        """See the port."""
        return self._elapsed() - self._contact

    async def start(self, listener: FeedListener) -> None:
        """Follow from now on; returns once the first resynchronisation is through and announcements arrive."""
        self._database.answering, self._database.mark = self.answering, lambda: self._mark
        listening, beating = asyncio.Event(), asyncio.Event()
        works: dict[str, Work] = {}
        if self._database.pooled:
            listening.set()
        else:
            works["listening"] = lambda: self._held(_LISTENING, partial(self._listen, listener, listening))
        works["feed"] = lambda: self._held(_FOLLOWING, partial(self._follow, listener, beating))
        self._tasks = [asyncio.create_task(self._supervisor.run(name, work), name=name) for name, work in works.items()]
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_CONTACT_S):
                await listening.wait()
                await beating.wait()

    async def stop(self) -> None:
        """Follow no more."""
        for task in self._tasks:
            await stopped(task)

    async def _held(self, what: str, use: Callable[[Connection], Awaitable[None]]) -> None:
        """Hold a connection and use it; get another one whenever it is lost."""
        while True:
            try:
                async with self._session() as connection:
                    await use(connection)
            except BackendUnavailable as error:
                _log(Event.CONNECTION_LOST, what=what, reason=error)
                if what == _FOLLOWING:
                    self._database.outages.failed("PostgreSQL", error)
                if what == _FOLLOWING and not is_locked(error):
                    self._unanswered = True
                    await self._database.renew()
            except Exception as error:  # rows that no one foresaw: begin again
                note_failure(what, error)
            await asyncio.sleep(HEARTBEAT_S)

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Connection]:
        if self._database.pooled:
            yield Questions(self._database, FEED)
        else:
            async with self._database.connection(FEED, probing=True) as connection:
                yield connection

    async def _unless_locked(self, what: str, connection: Connection, question: Callable[[], Awaitable[None]]) -> bool:
        """Ask; False where somebody holds the rows. The session is as good as before, and is asked again soon."""
        try:
            with self._database.holders.watching(connection):
                await question()
        except asyncpg.LockNotAvailableError as error:
            note_failure(what, BackendUnavailable(reason_of(error)))
            return False
        note_success(what)
        return True

    # --- the heartbeat ---

    async def _follow(self, listener: FeedListener, started: asyncio.Event, connection: Connection) -> None:
        self._timeline = ""
        self._mark = None if self._database.pooled else await connection.fetchval(load("feed")["mark"])
        self._unanswered = False
        try:
            while True:
                if await self._unless_locked(_FOLLOWING, connection, partial(self._beat, connection, listener)):
                    started.set()
                await asyncio.sleep(GAP_S)
                await pause(HEARTBEAT_S - GAP_S, self._hints.look)
        finally:
            self._mark = None

    async def _beat(self, connection: Connection, listener: FeedListener) -> None:
        """See that PostgreSQL answers, what time it is there, and that rules, identities and key are those known here.

        Nothing older than the moment of the question is acted on afterwards: that is when there was contact.
        """
        self._hints.look.clear()
        asked_at = self._elapsed()
        try:
            row = await connection.fetchrow(load("feed")["beat"], timeout=LIVE_WITHIN_S)
        except TimeoutError:
            self._unanswered = True  # said at once: a dead connection is slow to give back
            raise
        self._unanswered = False
        await self._hear(connection, row["now"], row["accepted"])
        if row["timeline"] != self._timeline:  # another one may have reached the same epochs in another way
            await listener.resynchronise()
            self._timeline = row["timeline"]
        if row["timeline"] is not None:
            await listener.timeline_reached(row["timeline"], row["revision"])
        await listener.rules_reached(row["rules"])
        await listener.identities_reached(row["identities"])
        if row["sealing"] is not None:
            await listener.key_activated(row["activation"], row["sealing"])
        self._contact = asked_at
        self._database.outages.works("PostgreSQL")

    async def _hear(self, connection: Connection, moment: datetime, accepted: int) -> None:
        try:
            if self.clock.hears_of(accepted):
                await self._hear_acceptance(connection)
            newest = None if self.clock.begun else await self._newest(connection)
            self.clock.told(moment, newest)
        except (IntegrityFailure, asyncpg.LockNotAvailableError) as error:  # somebody's lock costs no contact
            note_failure(_CLOCK, error)
        else:
            note_success(_CLOCK)

    async def _hear_acceptance(self, connection: Connection) -> None:
        """Take somebody's word for the clock, if it is genuine."""
        row = await connection.fetchrow(load("clock")["acceptance"], timeout=LIVE_WITHIN_S)
        if row is not None:
            try:
                acceptance = acceptance_of(row)
                self._sealer.verify(acceptance.facts(), acceptance.attestation)
            except (IntegrityFailure, KeyUnavailable) as error:
                note_failure(_ACCEPTANCE, error)
            else:
                self.clock.accept(acceptance)
                note_success(_ACCEPTANCE)

    async def _newest(self, connection: Connection) -> datetime | None:
        row = await connection.fetchrow(load("clock")["look"], timeout=LIVE_WITHIN_S)
        newest: datetime | None = row["newest"]
        return newest

    # --- announcements ---

    async def _listen(self, listener: FeedListener, started: asyncio.Event, connection: Connection) -> None:
        def receive(_connection: Connection, _pid: int, _channel: str, payload: str) -> None:
            self._hints.add(payload)

        await connection.add_listener(CHANNEL, receive)
        try:
            listener.secrets_missed()
            self._hints.look.set()
            asked_at = float("-inf")
            while True:
                before, asked_at = asked_at, self._elapsed()
                if await self._unless_locked(_LISTENING, connection, partial(self._look, connection, listener)):
                    # What was announced before the question has arrived with its answer, and waits for the next round.
                    self._delivered = before if self._hints.waiting.is_set() else asked_at
                    started.set()
                await asyncio.sleep(GAP_S)
                await pause(HEARTBEAT_S - GAP_S, self._hints.waiting)
        finally:
            self._delivered = float("-inf")
            if not connection.is_closed():
                with suppress(asyncpg.InterfaceError, asyncpg.PostgresError, OSError, TimeoutError):  # the end of it
                    await connection.remove_listener(CHANNEL, receive)

    async def _look(self, connection: Connection, listener: FeedListener) -> None:
        """Read of the secrets that were announced what they are now; that PostgreSQL answers is asked in any case."""
        names, missed = self._hints.take()
        if missed:
            listener.secrets_missed()
        try:
            rows = await connection.fetch(load("feed")["announced"], list(names), timeout=LIVE_WITHIN_S)
        except asyncpg.LockNotAvailableError:
            self._hints.put_back(names)
            raise
        for row in rows:
            if row["revision"] is not None:
                await listener.secret_changed(row["name"], row["revision"])
            else:
                await listener.secret_absent(row["name"], row["last_revision"])
