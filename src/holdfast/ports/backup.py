"""Backups of a whole installation: what is in one, who reads it out, and the file it goes to."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias
from uuid import UUID

import msgspec

from holdfast.domain.audit import AuditRecord
from holdfast.domain.chain import ChainId
from holdfast.domain.revocations import Revocation

Progress: TypeAlias = Callable[[int, int], None]
"""Told how many bytes are through, and how many there are about."""


class Step(msgspec.Struct, frozen=True):
    """A step of the schema, and the SHA-256 of its text in hex."""

    version: int
    checksum: str


class Table(msgspec.Struct, frozen=True):
    """A table and its columns, in the order in which rows have them."""

    name: str
    columns: tuple[str, ...]


class Partition(msgspec.Struct, frozen=True):
    """A part of the table ``parent``; ``bounds`` as PostgreSQL writes them."""

    parent: str
    name: str
    bounds: str


class Shape(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a database looks like: tables in an order in which none refers to a later one."""

    steps: tuple[Step, ...]
    tables: tuple[Table, ...]
    partitions: tuple[Partition, ...]


class TableEnd(msgspec.Struct, frozen=True, tag=True):
    """All rows of a table went before, and so many there are."""

    table: str
    rows: int


class Counter(msgspec.Struct, frozen=True):
    """The last number of a sequence. ``column`` is what it numbers in ``table``; a sequence of its own has neither."""

    name: str
    last: int
    table: str | None = None
    column: str | None = None


class Counters(msgspec.Struct, frozen=True, tag=True):
    """Where all sequences stand."""

    counters: tuple[Counter, ...]


BackupPart: TypeAlias = Shape | bytes | TableEnd | Counters
"""What follows the header, in this order: the shape; of each of its tables the rows and their end; the counters."""


class BackupHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What can be read of a backup without any key. ``keys``: fingerprints of all that are needed to restore it."""

    backup: UUID
    installation: UUID
    made_at: datetime
    schema: int
    release: str
    keys: tuple[str, ...]


class BackupSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that was read from its beginning to its end. ``rows`` by table; ``size`` of the file in bytes."""

    header: BackupHeader
    rows: dict[str, int]
    size: int


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of revocations after a backup was made.

    ``until``: the newest record that tells of them. ``trails``: how many files of an audit trail were given, and
    ``anchors`` the places in it, by hash, that a backup of the same installation has. ``unclear``: records that do not
    say what they took; ``gaps``: records that the trail lacks.
    """

    until: datetime
    trails: int = 0
    anchors: Mapping[tuple[ChainId, int], bytes] = {}
    revocations: tuple[Revocation, ...] = ()
    unclear: tuple[AuditRecord, ...] = ()
    gaps: tuple[str, ...] = ()


class RestoreSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that was restored: the members of ``BackupSummary``, and what was revoked since it was made.

    ``revoked``: revoked again; ``undone``: what was let count again on purpose. The others are what is not known, as
    ``Known`` has it.
    """

    header: BackupHeader
    rows: dict[str, int]
    size: int
    revoked: tuple[Revocation, ...] = ()
    undone: tuple[Revocation, ...] = ()
    known_until: datetime
    gaps: tuple[str, ...] = ()
    unclear: tuple[AuditRecord, ...] = ()


class OpenBackup(NamedTuple):
    """A backup that is being read; ``read`` tells how many bytes were: once the parts are through, its size."""

    header: BackupHeader
    read: Callable[[], int]
    parts: Iterator[BackupPart]


class Snapshot(Protocol):
    """The rows of one moment. ``size``: bytes that the tables take on disk."""

    installation: UUID
    keys: tuple[str, ...]
    shape: Shape
    size: int

    async def rows(self, table: Table, write: Callable[[bytes], None]) -> int:
        """Hand all rows of a table to ``write``, some bytes at a time; returns how many there are."""

    async def counters(self) -> Counters:
        """Where the sequences stand: not before any number that a row of the snapshot has."""


class SnapshotSource(Protocol):
    """A database to back up."""

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        """See all tables as they are now, until the end of the context."""

    async def note(self, header: BackupHeader, record: AuditRecord) -> None:
        """Remember the last backup that is complete, together with the record of it."""


class BackupWriter(Protocol):
    """A backup that is being written."""

    def rows(self, data: bytes) -> None:
        """Take some more rows of the table that is under way."""

    def put(self, part: Shape | TableEnd | Counters) -> None:
        """Take what is not rows."""

    def finish(self, progress: Progress) -> BackupSummary:
        """Return once the backup is complete, on disk, and was read back from there."""


class BackupFiles(Protocol):
    """Where backups are kept."""

    def writing(self, path: Path, header: BackupHeader) -> AbstractContextManager[BackupWriter]:
        """A new backup. It appears at ``path`` when the context ends well; it must be finished by then.

        Raises:
            Conflict: there is a file at ``path`` already.
            InvalidInput: it cannot be written there.
        """

    def reading(self, path: Path, progress: Progress) -> AbstractContextManager[OpenBackup]:
        """Go through a backup. Only when the parts have come to their end is it certain that none is missing.

        Raises:
            IntegrityFailure: it was altered, cut short, or is no backup.
            KeyUnavailable: the ring lacks a key that it takes to restore it.
            InvalidInput: it cannot be read.
        """

    def verify(self, path: Path, progress: Progress) -> BackupSummary:
        """Read a backup from its beginning to its end; raises as ``reading`` does."""
