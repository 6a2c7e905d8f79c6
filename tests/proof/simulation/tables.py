"""PostgreSQL's promises in memory: rows, locks, and transactions under READ COMMITTED.

Nothing of a transaction is seen by others before it is committed, a row belongs to the one who changed or locked it
until then, and others who want it wait, or pass it over.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Row = dict[str, Any]
Table = dict[Hashable, Row]
Lock = tuple[str, Hashable]


class Blocked(Exception):
    """Another transaction holds what a statement needs."""

    def __init__(self, lock: Lock) -> None:
        super().__init__(str(lock))
        self.lock = lock


@dataclass(eq=False)
class Transaction:
    """``writes``: rows as they will be, None for those that will be gone. ``seen``: what it sees, if one moment."""

    now: datetime
    writes: dict[str, dict[Hashable, Row | None]] = field(default_factory=dict)
    locks: set[Lock] = field(default_factory=set)
    announced: list[str] = field(default_factory=list)
    failed: bool = False
    seen: dict[str, Table] | None = None


class Tables:
    """What is committed, who holds what, and the sequences, which no rollback sets back."""

    def __init__(self) -> None:
        self.committed: defaultdict[str, Table] = defaultdict(dict)
        self.sequences: Counter[str] = Counter()
        self.holders: dict[Lock, Transaction] = {}
        self._waiting: list[tuple[Lock, Callable[[], object]]] = []

    def snapshot(self) -> dict[str, Table]:
        """Everything, as it is now."""
        return {name: dict(table) for name, table in self.committed.items()}

    def commit(self, transaction: Transaction) -> None:
        """Let everyone see it, and end it."""
        for name, rows in transaction.writes.items():
            for key, row in rows.items():
                self.committed[name].pop(key, None) if row is None else self.committed[name].update({key: row})
        self.end(transaction)

    def end(self, transaction: Transaction) -> None:
        """Let go of what it holds; those who wait for that try again, in the order in which they came."""
        held, transaction.locks = transaction.locks, set()
        for lock in held:
            del self.holders[lock]
        woken = [again for lock, again in self._waiting if lock in held]
        self._waiting = [each for each in self._waiting if each[0] not in held]
        for again in woken:
            again()

    def wait(self, lock: Lock, again: Callable[[], object]) -> None:
        """Call back when it is free."""
        self._waiting.append((lock, again))


class View:
    """The tables as a statement sees and changes them."""

    def __init__(self, tables: Tables, transaction: Transaction) -> None:
        self._tables, self._transaction, self.now = tables, transaction, transaction.now

    def rows(self, table: str) -> Iterable[Row]:
        """All rows."""
        own = self._transaction.writes.get(table)
        base = self._base(table)
        return list(base.values()) if not own else [row for row in {**base, **own}.values() if row is not None]

    def where(self, table: str, **columns: Any) -> list[Row]:
        """The rows that have these values."""
        wanted = columns.items()
        return [row for row in self.rows(table) if all(row[column] == value for column, value in wanted)]

    def get(self, table: str, key: Hashable) -> Row | None:
        """One row, by its key."""
        own = self._transaction.writes.get(table, {})
        return own[key] if key in own else self._base(table).get(key)

    def put(self, table: str, key: Hashable, row: Row | None) -> None:
        """Make a row, replace it, or, with None, remove it."""
        self.lock(table, key)
        self._transaction.writes.setdefault(table, {})[key] = row

    def change(self, table: str, key: Hashable, **columns: Any) -> Row:
        """Change columns of a row that is there."""
        self.lock(table, key)
        row = self.get(table, key)
        assert row is not None
        changed = {**row, **columns}
        self.put(table, key, changed)
        return changed

    def lock(self, table: str, key: Hashable) -> None:
        """Hold a row, or the place for one, until the end."""
        lock = (table, key)
        if self._tables.holders.setdefault(lock, self._transaction) is not self._transaction:
            raise Blocked(lock)
        self._transaction.locks.add(lock)

    def is_free(self, table: str, key: Hashable) -> bool:
        """Whether no one else holds it."""
        return self._tables.holders.get((table, key), self._transaction) is self._transaction

    def next(self, sequence: str) -> int:
        """The next number."""
        self._tables.sequences[sequence] += 1
        return self._tables.sequences[sequence]

    def last(self, sequence: str) -> int:
        """The last number that was given out, to whomever."""
        return self._tables.sequences[sequence]

    def announce(self, payload: str) -> None:
        """Tell everyone who listens, once it is committed."""
        self._transaction.announced.append(payload)

    def _base(self, table: str) -> Table:
        seen = self._transaction.seen
        return self._tables.committed[table] if seen is None else seen.get(table, {})
