"""The audit trail in ``secret_access_logs``: a whole batch in one binary COPY, built by hand.

asyncpg would encode the rows cell by cell, which costs several times as much. Most of a row is the same for one caller,
secret and operation, so that part is encoded once and kept.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter, itemgetter
from struct import Struct
from struct import error as StructError  # noqa: N812 - the module names it so
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from holdfast.domain.audit import AuditRecord
from holdfast.domain.chain import Entry, sorted_out
from holdfast.errors import UNREADABLE, IntegrityFailure
from holdfast.ports import ChainHead
from holdfast.resilience.events import Event, Log
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.outbox import all_stored, as_stored, put_record
from holdfast.stores.postgres.pools import AUDIT, Connection
from holdfast.stores.postgres.queries import load

_log: Final = Log(__name__)

TABLE: Final = "secret_access_logs"

_KEPT: Final = ("secret_name", "user_id", "operation", "success", "auth_method", "rule", "error_code", "error_message")
_KEPT_TOO: Final = ("version", "source", "stale", "ip_address", "user_agent", "detail")
COLUMNS: Final = ("writer", "boot", "seq", "timestamp", "hash", "request_id", *_KEPT, *_KEPT_TOO)

_kept_facts: Final = attrgetter("name", *_KEPT[1:], *_KEPT_TOO)
_MAX_KEPT: Final = 4096
"""Rows' constant parts kept at most; then the keeping begins anew."""

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL's
_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_NULL: Final = b"\xff\xff\xff\xff"
_chain_fields: Final = Struct(">hi16siq").pack
_place_fields: Final = Struct(">iqiqi32s").pack
_REFUSED: Final = (asyncpg.DataError, asyncpg.CheckViolationError, asyncpg.NotNullViolationError, StructError)
"""How a single record is refused for what it is, whenever it is tried."""

_length: Final = Struct(">i").pack
_number: Final = Struct(">iq").pack

_decode: Final = msgspec.json.Decoder(AuditRecord).decode


class PostgresAuditSink:
    """Implements ``ports.AuditArchive``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = load("audit")

    async def write(self, entries: Sequence[Entry]) -> None:
        """See the port."""
        async with self._database.connection(AUDIT) as connection:
            await _copy(connection, entries)

    async def write_once(self, entries: Sequence[Entry]) -> int:
        """See the port."""
        chain, first, last = entries[0].chain, entries[0].seq, entries[-1].seq
        async with self._database.transaction() as connection:
            rows = await connection.fetch(self._sql["present"], *chain, first - 1, last)
            missing, displaced = sorted_out(entries, {row["seq"]: row["hash"] for row in rows})
            await _copy(connection, missing)
            # A database that went back may have a record waiting again that had its place.
            await connection.execute(self._sql["placed"], [as_stored(entry.record) for entry in missing])
            for entry in displaced:
                await put_record(connection, entry.record)
            await connection.execute(self._sql["reopen"], *chain)
        if displaced:
            _log(Event.AUDIT_PLACE_TAKEN, chain=chain, seq=displaced[0].seq, count=len(displaced))
            self._database.recorded()
        return len(missing)

    async def take_in(self, extend: Callable[[Sequence[AuditRecord]], Sequence[Entry]], limit: int) -> Sequence[Entry]:
        """See the port."""
        claimed: Sequence[Mapping[str, Any]] = ()
        try:
            async with self._database.transaction(AUDIT) as connection:
                claimed = sorted(await connection.fetch(self._sql["claim"], limit), key=itemgetter("id"))
                return await self._placed(connection, [row["record"] for row in claimed], extend)
        except IntegrityFailure as refused:
            self._database.recorded()  # what is behind it comes next
            reason = str(refused)
        if len(claimed) > 1:
            return await self.take_in(extend, len(claimed) // 2)
        await self._set_aside(claimed[0]["id"], reason)
        return ()

    async def _placed(
        self, connection: Connection, texts: Sequence[str], extend: Callable[[Sequence[AuditRecord]], Sequence[Entry]]
    ) -> Sequence[Entry]:
        records, unreadable = [], []
        for text in texts:
            if (record := readable(text)) is not None:
                records.append(record)
            else:
                unreadable.append(text)
                await connection.execute(self._sql["set_aside"], text, "it cannot be read")
        if unreadable:  # one line however many: they are counted in health
            reason = f"it cannot be read, by an edit of audit_outbox ({len(unreadable)} in this batch)"
            _log(Event.AUDIT_RECORD_SET_ASIDE, reason=reason)
        entries = extend(records) if records else []
        await _copy(connection, entries)
        return entries

    async def _set_aside(self, waiting: int, reason: str) -> None:
        """Set the record aside that waits under a number, unless another node has it in hand, which finds the same."""
        async with self._database.connection() as connection:
            if await connection.fetch(self._sql["set_waiting_aside"], waiting, reason):
                _log(Event.AUDIT_RECORD_SET_ASIDE, reason=reason)

    async def set_aside(self) -> int:
        """How many records no chain takes: they are kept in ``audit_set_aside`` for a person."""
        async with self._database.connection() as connection:
            number: int = await connection.fetchval(self._sql["are_set_aside"])
        return number

    async def waiting(self) -> bool:
        """See the port."""
        async with self._database.connection() as connection:
            return bool(await connection.fetchval(self._sql["waiting"]))

    async def last_head(self, writer: UUID) -> ChainHead | None:
        """See the port."""
        async with self._database.connection(AUDIT) as connection:
            row = await connection.fetchrow(self._sql["last_head"], writer)
        return ChainHead(**row) if row else None

    async def make_room(self) -> None:
        """Make the partitions that the coming months need."""
        async with self._database.connection() as connection:
            await connection.execute(self._sql["partitions"])

    async def forget(self, older_than: timedelta) -> None:
        """Drop settled intents of that age, and idempotency records past their day."""
        async with self._database.transaction() as connection:
            for statement in load("housekeeping").values():
                await connection.execute(statement, older_than)


def readable(text: str) -> AuditRecord | None:
    """The record that waits for its place as this text; None: it was edited."""
    try:
        record = _decode(text)
    except UNREADABLE:
        return None
    return record if record.timestamp.tzinfo is not None else None


async def _copy(connection: Connection, entries: Sequence[Entry]) -> None:
    """Store entries.

    Raises:
        IntegrityFailure: one of them does not fit a column, or is of a time that has no partition.
    """
    if not entries:
        return
    try:
        data = _once(copy_data(entries))
        said = await connection.copy_to_table(TABLE, source=data, columns=COLUMNS, format="binary")
    except _REFUSED as error:
        raise IntegrityFailure(f"PostgreSQL does not take an audit record ({type(error).__name__})") from error
    all_stored(said, len(entries))


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def copy_data(entries: Sequence[Entry]) -> bytes:
    """Entries of one chain in PostgreSQL's binary COPY format (COPY, "Binary Format"), in the order of ``COLUMNS``."""
    chain = entries[0].chain
    start = _chain_fields(len(COLUMNS), 16, chain.writer.bytes, 8, chain.boot)
    parts = [_HEADER]
    add, kept = parts.append, _kept
    for entry in entries:
        record = entry.record
        facts = _kept_facts(record)
        since = record.timestamp - _EPOCH
        micros = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
        add(start)
        add(_place_fields(8, entry.seq, 8, micros, 32, entry.hash))
        add(_field(record.request_id))
        add(kept.get(facts) or _keep(facts))
    add(_TRAILER)
    return b"".join(parts)


_kept: Final[dict[tuple[Any, ...], bytes]] = {}


def _keep(facts: tuple[Any, ...]) -> bytes:
    if len(_kept) >= _MAX_KEPT:
        _kept.clear()
    _kept[facts] = encoded = b"".join(map(_field, facts))
    return encoded


def _field(value: str | bool | int | None) -> bytes:
    if value is None:
        return _NULL
    if isinstance(value, str):
        data = value.encode()
        return _length(len(data)) + data
    if isinstance(value, bool):
        return b"\0\0\0\1\1" if value else b"\0\0\0\1\0"
    return _number(8, value)
