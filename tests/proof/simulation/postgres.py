"""A PostgreSQL in virtual time, spoken to through what asyncpg offers: sessions, pools, COPY, LISTEN and NOTIFY."""

import asyncio
import itertools
from collections.abc import AsyncIterable, Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Final

import asyncpg

from holdfast.stores.postgres.pools import LANES, POOL, Lane, OwnPools
from tests.proof.simulation.fates import Kind, Way
from tests.proof.simulation.lines import Answer, Line
from tests.proof.simulation.statements import BY_TEXT, READS, copied
from tests.proof.simulation.tables import Blocked, Row, Tables, Transaction, View

_SNAPSHOT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
LEAVE: Final = "LEAVE"
"""What a session did last."""

Listener = Callable[[Any, int, str, str], object]


def _broken(way: Way) -> BaseException:
    error: BaseException = asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
    return error


@dataclass
class Served:
    """What one session asked and got, in the order in which it was done: for a comparison with a real PostgreSQL."""

    session: int
    what: str
    arguments: tuple[Any, ...]
    now: datetime
    answer: Any = None


class Postgres:
    """The server. ``moment``: what its clock shows. ``served``: all it did, if that is wanted."""

    def __init__(self, moment: Callable[[], datetime], *, trace: bool = False) -> None:
        self.tables, self.moment = Tables(), moment
        self.sessions: dict[int, Session] = {}
        self.served: list[Served] | None = [] if trace else None
        self.pids = itertools.count(1)

    def note(self, session: int, what: str, arguments: Sequence[Any], now: datetime, answer: Any = None) -> None:
        """Keep what was done."""
        if self.served is not None:
            self.served.append(Served(session, what, tuple(arguments), now, answer))

    def announce(self, payloads: Sequence[str]) -> None:
        """Tell those who listen."""
        for session in list(self.sessions.values()):
            for payload in dict.fromkeys(payloads) if session.listener else ():
                session.hear(payload)

    def pools(self, line: Line) -> OwnPools:
        """A pool for each lane of a node, as production has them."""
        return OwnPools({lane: Pool(self, line, lane, lane.share(POOL)) for lane in LANES})


@dataclass(eq=False)
class Session:
    """A connection, as asyncpg has it, and its session at the server.

    ``clear_at``: until when nothing comes through from the server; what comes, comes in order.
    """

    server: Postgres
    line: Line
    lane: Lane
    pid: int = 0
    closed: bool = False
    listener: Listener | None = None
    transaction: Transaction | None = None
    clear_at: float = 0.0
    _leaving: bool = False
    _at_work: int = 0

    # --- what asyncpg offers

    def get_server_version(self) -> SimpleNamespace:
        return SimpleNamespace(major=16)

    def get_server_pid(self) -> int:
        return self.pid

    def is_closed(self) -> bool:
        return self.closed

    def terminate(self) -> None:
        """Hang up. What is under way at the server goes on to its end, and is the last."""
        self.closed = self._leaving = True
        self._leave()

    async def execute(self, query: str, *arguments: Any, timeout: float | None = None) -> str:
        if query.startswith("BEGIN"):
            await self._control(query, lambda: self._begin(query))
            return "BEGIN"
        if query in ("COMMIT", "ROLLBACK"):
            said: str = await self._control(query, self._commit if query == "COMMIT" else self._roll_back)
            return said
        rows = await self.fetch(query, *arguments, timeout=timeout)
        return f"DONE {len(rows)}"

    async def fetch(self, query: str, *arguments: Any, timeout: float | None = None) -> list[Row]:
        name, statement = BY_TEXT[query]
        rows: list[Row] = await self._ask(
            self._kind(name), name, arguments, lambda view: statement(view, *arguments), timeout
        )
        return rows

    async def fetchrow(self, query: str, *arguments: Any, timeout: float | None = None) -> Row | None:
        return next(iter(await self.fetch(query, *arguments, timeout=timeout)), None)

    async def fetchval(self, query: str, *arguments: Any, timeout: float | None = None) -> Any:
        row = await self.fetchrow(query, *arguments, timeout=timeout)
        return next(iter(row.values())) if row else None

    async def executemany(self, query: str, rows: Sequence[Sequence[Any]]) -> None:
        for row in rows:
            await self.execute(query, *row)

    async def copy_to_table(
        self,
        table: str,
        *,
        source: AsyncIterable[bytes],
        columns: Sequence[str],
        format: str,  # noqa: A002 - asyncpg's
    ) -> str:
        data = b"".join([part async for part in source])
        rows = await self._ask(Kind.COPY, "COPY", (data,), lambda view: copied(view, data, columns), None)
        return f"COPY {len(rows)}"

    async def add_listener(self, channel: str, listener: Listener) -> None:
        await self._control("LISTEN", lambda: setattr(self, "listener", listener))

    async def remove_listener(self, channel: str, listener: Listener) -> None:
        await self._control("UNLISTEN", lambda: setattr(self, "listener", None))

    # --- the way there and back

    def _kind(self, name: str) -> Kind:
        if name in READS:
            return Kind.READ
        return Kind.STEP if self.transaction is not None else Kind.ALONE

    async def _control(self, what: str, work: Callable[[], Any]) -> Any:
        """BEGIN and its like: they wait for no lock."""
        kind = Kind.COMMIT if what == "COMMIT" else Kind.STEP

        def serve(answer: Answer[Any]) -> None:
            self._at_work -= 1
            answer.give(work())
            self._leave()

        return await self._send(kind, serve, None)

    async def _ask(
        self, kind: Kind, name: str, arguments: Sequence[Any], work: Callable[[View], list[Row]], timeout: float | None
    ) -> list[Row]:
        gives_up_at = asyncio.get_running_loop().time() + self.lane.lock_s

        def serve(answer: Answer[list[Row]]) -> None:
            self._at_work -= 1
            self._serve(_Statement(name, tuple(arguments), work, answer, gives_up_at))

        rows: list[Row] = await self._send(kind, serve, timeout)
        return rows

    async def _send(self, kind: Kind, serve: Callable[[Answer[Any]], None], timeout: float | None) -> Any:
        if self.closed:
            raise asyncpg.InterfaceError("connection is closed")
        future = self.line.send(kind, serve, _broken, self._later, self._under_way)
        try:
            async with asyncio.timeout(timeout or self.lane.statement_s):
                return await future
        except asyncpg.ConnectionDoesNotExistError:
            self.terminate()
            raise

    def _under_way(self) -> None:
        self._at_work += 1

    def _later(self, call: Callable[[], None], seconds: float = 0.0) -> None:
        """Let something arrive here, behind all that was sent before."""
        loop = asyncio.get_running_loop()
        self.clear_at = max(self.clear_at, loop.time() + seconds)
        if self.clear_at <= loop.time():
            call()
        elif self.clear_at != float("inf"):
            loop.call_at(self.clear_at, call)

    def hear(self, payload: str) -> None:
        """An announcement is on its way to the one who listens here."""
        loop, fate = asyncio.get_running_loop(), self.line.fates.of(Kind.NOTIFY, self.line.node)
        if fate.way is Way.LATE:
            self.clear_at = max(self.clear_at, loop.time() + fate.late_s)
        if fate.way is Way.HUNG:
            self.clear_at = float("inf")
        if fate.way is not Way.REFUSED:
            self._later(lambda: self._heard(payload), fate.takes_s)
        if fate.way is Way.MUTE:
            self.clear_at = float("inf")
        if fate.way in (Way.REFUSED, Way.LOST):
            self._later(self.terminate, fate.takes_s)

    def _heard(self, payload: str) -> None:
        if self.listener is not None and not self.closed and not self.line.cut:
            self.listener(self, self.pid, "holdfast", payload)

    # --- at the server

    def _serve(self, statement: "_Statement") -> None:
        """Do a statement; where somebody else holds what it needs, when that is free."""
        tables, own = self.server.tables, self.transaction
        transaction = own or Transaction(self.server.moment())
        if transaction.failed:
            statement.answer.refuse(asyncpg.InFailedSQLTransactionError("current transaction is aborted"))
            return
        saved, announced = {name: dict(rows) for name, rows in transaction.writes.items()}, len(transaction.announced)
        drawn = tables.sequences.copy()
        try:
            rows = statement.work(View(tables, transaction))
        except (Blocked, asyncpg.PostgresError) as error:
            transaction.writes = saved
            del transaction.announced[announced:]
            if own is None:
                tables.end(transaction)
            if isinstance(error, Blocked):
                tables.sequences = drawn  # it is one statement, however often it is tried here
                self._wait(error.lock, statement)
                return
            transaction.failed = True
            self.server.note(self.pid, statement.name, statement.arguments, transaction.now, error)
            statement.answer.refuse(error)
        else:
            self.server.note(self.pid, statement.name, statement.arguments, transaction.now, rows)
            if own is None:
                self._finish(transaction)
            statement.answer.give(rows)
        self._leave()

    def _wait(self, lock: tuple[str, Hashable], statement: "_Statement") -> None:
        loop = asyncio.get_running_loop()
        self._at_work += 1
        over: list[bool] = []

        def again() -> None:
            if not over:
                over.append(True)
                self._at_work -= 1
                self._serve(statement)

        def give_up() -> None:
            if not over:
                over.append(True)
                self._at_work -= 1
                if self.transaction is not None:
                    self.transaction.failed = True
                statement.answer.refuse(asyncpg.LockNotAvailableError("canceling statement due to lock timeout"))
                self._leave()

        self.server.tables.wait(lock, lambda: loop.call_soon(again))
        loop.call_at(max(statement.gives_up_at, loop.time()), give_up)

    def _begin(self, query: str) -> None:
        self.transaction = Transaction(self.server.moment())
        if _SNAPSHOT in query:
            self.transaction.seen = self.server.tables.snapshot()
        self.server.note(self.pid, _SNAPSHOT if _SNAPSHOT in query else "BEGIN", (), self.transaction.now)

    def _commit(self) -> str:
        transaction, self.transaction = self.transaction, None
        if transaction is None:  # the server has ended it
            return "ROLLBACK"
        self.server.note(self.pid, "ROLLBACK" if transaction.failed else "COMMIT", (), transaction.now)
        if transaction.failed:
            self.server.tables.end(transaction)
            return "ROLLBACK"
        self._finish(transaction)
        return "COMMIT"

    def _finish(self, transaction: Transaction) -> None:
        self.server.tables.commit(transaction)
        self.server.announce(transaction.announced)

    def _roll_back(self) -> str:
        transaction, self.transaction = self.transaction, None
        if transaction is not None:
            self.server.note(self.pid, "ROLLBACK", (), transaction.now)
            self.server.tables.end(transaction)
        return "ROLLBACK"

    def _leave(self) -> None:
        """The session ends once its client is gone and nothing is under way."""
        if self._leaving and self._at_work <= 0:
            self._roll_back()
            if self.server.sessions.pop(self.pid, None) is not None:
                self.server.note(self.pid, LEAVE, (), self.server.moment())


@dataclass(frozen=True)
class _Statement:
    name: str
    arguments: tuple[Any, ...]
    work: Callable[[View], list[Row]]
    answer: Answer[list[Row]]
    gives_up_at: float


class Pool:
    """Sessions of one lane, as an asyncpg pool lends them."""

    def __init__(self, server: Postgres, line: Line, lane: Lane, size: int) -> None:
        self._server, self._line, self._lane = server, line, lane
        self._turns, self._idle = asyncio.Semaphore(size), list[Session]()
        self._expired: set[int] = set()
        self._lent: set[int] = set()

    async def acquire(self, *, timeout: float) -> Session:
        async with asyncio.timeout(timeout):
            await self._turns.acquire()
            try:
                session = next((each for each in self._usable()), None) or await self._connect()
            except BaseException:
                self._turns.release()
                raise
        self._lent.add(session.pid)
        return session

    def _usable(self) -> "list[Session]":
        while self._idle:
            session = self._idle.pop()
            if not session.closed:
                return [session]
        return []

    async def _connect(self) -> Session:
        def opened() -> Session:
            session = Session(self._server, self._line, self._lane, next(self._server.pids))
            self._server.sessions[session.pid] = session
            return session

        return await self._line.ask(Kind.CONNECT, opened, lambda _: ConnectionRefusedError("refused"))

    async def release(self, session: Session, *, timeout: float) -> None:
        self._lent.discard(session.pid)
        if session.pid in self._expired:
            session.terminate()
        if not session.closed:
            self._idle.append(session)
        self._turns.release()

    async def expire_connections(self) -> None:
        for session in self._idle:
            session.terminate()
        self._expired |= self._lent

    async def close(self) -> None:
        for session in self._idle:
            session.terminate()

    def terminate(self) -> None: ...
