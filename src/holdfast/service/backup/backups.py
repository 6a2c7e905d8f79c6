"""A backup of the whole installation: sealed, complete, read back before it counts, and on record."""

from datetime import datetime
from pathlib import Path
from uuid import uuid4

from holdfast.domain.policy import Permission
from holdfast.ports import (
    BackupFiles,
    BackupHeader,
    BackupSummary,
    BackupWriter,
    Clock,
    Progress,
    Snapshot,
    SnapshotSource,
    TableEnd,
)
from holdfast.service.access.guard import WHOLE_VAULT, Guard
from holdfast.service.callers import Context, authenticated


def unwatched(_through: int, _about: int) -> None:
    """Nobody wants to know how far it is."""


class Backups:
    """What ``service.backups`` offers. It takes the permission ``operate``.

    Args:
        release: the version of this program.
    """

    def __init__(self, *, guard: Guard, source: SnapshotSource, files: BackupFiles, clock: Clock, release: str) -> None:
        self._guard, self._source, self._files = guard, source, files
        self._clock, self._release = clock, release

    async def make(self, path: Path, *, progress: Progress = unwatched, context: Context = None) -> BackupSummary:
        """Write all that the database holds, as of now, to a new file at ``path``, sealed under the key ring.

        Raises:
            Conflict: there is a file already.
            InvalidInput: it cannot be written there.
        """
        caller = authenticated(context)
        async with self._guard.operation(caller, Permission.OPERATE, WHOLE_VAULT, "backup.begin"):
            pass  # on record before a byte is read out: whatever becomes of the file, somebody has it
        async with self._guard.operation(caller, Permission.OPERATE, WHOLE_VAULT, "backup.make") as authorized:
            async with self._source.snapshot() as snapshot:
                header = header_of(snapshot, self._clock.now(), self._release)
                with self._files.writing(path, header) as writer:
                    await write_all(snapshot, writer, progress)
                    summary = writer.finish(progress)
            detail = f"backup={header.backup} size={summary.size}"
            await self._source.note(header, self._guard.success(authorized, detail=detail))
        return summary


def header_of(snapshot: Snapshot, made_at: datetime, release: str) -> BackupHeader:
    """The header of a new backup."""
    return BackupHeader(
        backup=uuid4(),
        installation=snapshot.installation,
        made_at=made_at,
        schema=snapshot.shape.steps[-1].version,
        release=release,
        keys=snapshot.keys,
    )


async def write_all(snapshot: Snapshot, writer: BackupWriter, progress: Progress = unwatched) -> None:
    """Write everything that a snapshot shows."""
    through = 0

    def rows(data: bytes) -> None:
        nonlocal through
        through += len(data)
        progress(min(through, snapshot.size), snapshot.size)
        writer.rows(data)

    writer.put(snapshot.shape)
    for table in snapshot.shape.tables:
        writer.put(TableEnd(table.name, await snapshot.rows(table, rows)))
    writer.put(await snapshot.counters())
