"""The statements' meanings in memory against PostgreSQL: what a simulation was answered, PostgreSQL answers as well."""

import json
import pickle
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import pytest

from holdfast.stores.postgres.audit import COLUMNS, TABLE
from tests.proof.simulation.postgres import LEAVE, Served
from tests.proof.simulation.statements import BY_TEXT
from tests.proof.simulation.tables import Tables, Transaction, View
from tests.proof.trials import ROOT

SEEDS: Final = "0:2"

pytestmark = pytest.mark.timeout(600)

NOT_COMPARED: Final = {
    "feed: beat": "PostgreSQL's own clock and timeline",
    "feed: mark": "a number of the session",
    "clock: look": "PostgreSQL's own clock",
    "connection: holders": "who is in the way",
    "audit: partitions": "room that is always there",
    "scrubbing: begin": "it is never time",
}
_MEANINGS: Final = dict(BY_TEXT.values())
_TEXTS: Final = {name: text for text, (name, _) in BY_TEXT.items()}
_JSON: Final = frozenset({"metadata", "tags", "carried", "record", "answer", "attributes"})


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> list[list[Served]]:
    """What PostgreSQL was asked in some simulations, and what it answered."""
    kept = tmp_path_factory.mktemp("simulation") / "served"
    command = [sys.executable, "-m", "tests.proof.simulation", "--seeds", SEEDS, "--trace", str(kept)]
    subprocess.run(command, cwd=ROOT, check=True)
    found: list[list[Served]] = pickle.loads(kept.read_bytes())
    return found


class Replay:
    """A database on which the same is asked again, in the same order, over as many sessions, at the same moments."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._sessions: dict[int, Any] = {}
        self.compared, self.differing = 0, list[str]()

    async def prepare(self) -> None:
        """Let the database have the time of the simulation."""
        connection = await asyncpg.connect(self._dsn)
        await connection.execute(
            "CREATE SCHEMA simulated; CREATE FUNCTION simulated.now() RETURNS timestamptz LANGUAGE sql STABLE AS "
            "$$ SELECT pg_catalog.current_setting('simulated.now')::timestamptz $$"
        )
        for table, column in await connection.fetch(
            "SELECT table_name, column_name FROM information_schema.columns "
            "WHERE table_schema = 'public' AND column_default = 'now()'"
        ):
            await connection.execute(f"ALTER TABLE {table} ALTER {column} SET DEFAULT simulated.now()")
        await connection.close()

    async def ask(self, one: Served) -> None:
        """Ask one thing again, and compare."""
        if one.what == LEAVE:
            with suppress(KeyError):
                await self._sessions.pop(one.session).close()
            return
        if one.what in NOT_COMPARED:
            return
        connection = await self._session(one.session)
        await connection.fetchval("SELECT pg_catalog.set_config('simulated.now', $1, false)", one.now.isoformat())
        if isinstance(one.answer, Exception):
            with pytest.raises(type(one.answer)):
                await self._answer(connection, one)
            return
        answer = await self._answer(connection, one)
        if one.what in _TEXTS:
            self.compared += 1
            expected = _comparable(one.answer, answer)
            if "ORDER BY" not in _TEXTS[one.what]:
                answer, expected = sorted(answer, key=repr), sorted(expected, key=repr)
            if answer != expected:
                self.differing.append(f"{one.what} {one.arguments}: {answer}, and not {expected}")

    async def _answer(self, connection: Any, one: Served) -> list[dict[str, Any]]:
        if one.what == "COPY":

            async def data() -> AsyncIterator[bytes]:
                yield one.arguments[0]

            await connection.copy_to_table(TABLE, source=data(), columns=COLUMNS, format="binary", timeout=5)
            return []
        text = _TEXTS.get(one.what, one.what)
        return [_plain(row) for row in await connection.fetch(text, *one.arguments, timeout=5)]

    async def _session(self, number: int) -> Any:
        if number not in self._sessions:
            connection = await asyncpg.connect(self._dsn)
            await connection.execute("SET search_path = simulated, pg_catalog, public; SET TIME ZONE 'UTC'")
            self._sessions[number] = connection
        return self._sessions[number]

    async def close(self) -> None:
        """Hang up."""
        for connection in self._sessions.values():
            await connection.close()


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row, its JSON as what it says, without what announcing returns and the numbers of rows that mean nothing."""
    known = {name: value for name, value in row.items() if name != "pg_notify" and (name, type(value)) != ("id", int)}
    return {name: json.loads(value) if name in _JSON and value else value for name, value in known.items()}


def _comparable(ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Our answer with the columns that PostgreSQL names; one that is asked for a single value has any name."""
    if not theirs and all("one" in row for row in ours):  # a change that returns nothing but how many it made
        return []
    if theirs and len(theirs[0]) == 1 and not (ours and theirs[0].keys() <= ours[0].keys()):
        return [dict.fromkeys(theirs[0], next(iter(_plain(row).values()))) for row in ours]
    columns = theirs[0] if theirs else {}
    return [{name: _plain(row)[name] for name in columns} for row in ours]


@asynccontextmanager
async def replaying(dsn: str) -> AsyncIterator[Replay]:
    replay = Replay(dsn)
    await replay.prepare()
    try:
        yield replay
    finally:
        await replay.close()


@pytest.mark.parametrize("number", range(2))
async def test_postgresql_answers_as_the_simulation_was_answered(
    served: list[list[Served]], number: int, database_url: str
) -> None:
    async with replaying(database_url) as replay:
        for one in served[number]:
            await replay.ask(one)
        assert replay.differing == []
        assert replay.compared > 300


def rarely() -> list[Served]:
    """Statements that the simulation asks seldom or never, asked of the tables in memory one after the other."""
    now = datetime(2026, 12, 1, tzinfo=UTC)
    tables, served, life, intent = Tables(), list[Served](), UUID(int=7), UUID(int=8)
    seal, sealed = (None,) * 5, ("v", "i", "t", "key", "w")
    facts = ("text/plain", "{}", True, None, None, "{}", now, now, "app")
    head = ("a", "{}", 1, "1" * 32, "there-1", now, now, None, None, "missing_in_vault", False)
    second = ("a", "{}", 2, "2" * 32, None, None, now, None, None, "missing_in_vault", False)
    hour = timedelta(hours=1)
    for name, *arguments in (
        ("ledger: create", "k", "k", life, "active", *head, *seal, *facts),
        ("ledger: keep_former", life),
        ("ledger: put_current", "k", life, "active", *second, *seal, *facts),
        ("ledger: unfetched", life, 2, 5),
        ("ledger: with_unfetched", "", 5),
        ("ledger: fill", life, 1, *sealed),
        ("ledger: unfetched", life, 2, 5),
        ("ledger: carry_current", life, 2, '{"kid": "x"}'),
        ("ledger: carry_history", life, 1, '{"kid": "y"}'),
        ("ledger: rewrite_history", life, 1, *sealed, *facts[:6], now, "there-1"),
        ("ledger: contents", life),
        ("ledger: version_by_id", life, "there-1"),
        ("ledger: drifting", 5),
        ("ledger: names", "active", "", 5),
        ("ledger: heads", ["k", "l"]),
        ("ledger: add_intent", intent, life, "k", "k", "set", 2, '{"tags": {}}'),
        ("journal: claim", 5, hour, None, []),
        ("journal: is_held", "k"),
        ("journal: park", intent, 1, "refused", hour, False, True, []),
        ("journal: parked", "k"),
        ("journal: is_disputed", life, "delete", "recover", hour),
        ("journal: is_deletion_void", life),
        ("journal: purged_at", "k"),
        ("ledger: supersede_refused", life, UUID(int=9), ["set"], 2),
        ("ledger: concluded", intent, 1),
        ("ledger: concluded", intent, 2),
        ("journal: take_orphans", 5, hour),
        ("journal: hands_off", "k"),
        ("ledger: is_in_vault", life, intent),
        ("grants: epoch",),
        ("kept_out: put", "k", "odd", "it is odd", now, 1, now, None),
        ("kept_out: names", 5),
        ("kept_out: forget", ["k"]),
        ("audit: reopen", UUID(int=1), 1),
        ("audit: present", UUID(int=1), 1, 0, 5),
        ("ledger: add_history", life, 3, "3" * 32, *seal, *facts, "there-3"),
        ("ledger: current", "k"),
        ("ledger: remove", life, "k"),
        ("ledger: history", life),
    ):
        transaction = Transaction(now)
        answer = _MEANINGS[name](View(tables, transaction), *arguments)
        tables.commit(transaction)
        served.append(Served(1, name, tuple(arguments), now, answer))
    return served


async def test_postgresql_answers_what_is_seldom_asked_as_it_is_answered_in_memory(database_url: str) -> None:
    async with replaying(database_url) as replay:
        for one in rarely():
            await replay.ask(one)
        assert replay.differing == []


def test_every_statement_that_has_a_meaning_here_is_compared_or_named(served: list[list[Served]]) -> None:
    asked = {one.what for each in served for one in each} | {one.what for one in rarely()}
    never = {name for name, _ in BY_TEXT.values() if name.startswith("housekeeping")}
    assert {name for name, _ in BY_TEXT.values()} - asked - NOT_COMPARED.keys() - never == set()
