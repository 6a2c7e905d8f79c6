"""Backups of the whole installation: made by a node, checked and restored without one."""

from contextlib import AsyncExitStack
from importlib.metadata import version
from pathlib import Path

from holdfast.bootstrap.keysources import present_ring
from holdfast.bootstrap.storage import connected
from holdfast.config import Settings
from holdfast.crypto.envelope import Envelope
from holdfast.crypto.keyring import KeyRing
from holdfast.domain.audit import record_of
from holdfast.domain.policy import Caller
from holdfast.ports import BackupSummary, Clock, Progress, Sealer
from holdfast.resilience.clock import SystemClock
from holdfast.service.access.guard import WHOLE_VAULT, Guard
from holdfast.service.backup.backups import Backups, unwatched
from holdfast.stores.backupfile import SealedBackupFiles
from holdfast.stores.postgres.backup import PostgresSnapshots
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.restoring import PostgresRestorer

RESTORE = "backup.restore"
"""The operation by which a restoration is on record: the first record of the new life."""


def open_backups(database: Database, ring: KeyRing, *, sealer: Sealer, guard: Guard, clock: Clock) -> Backups:
    """Return what makes backups."""
    return Backups(
        guard=guard,
        source=PostgresSnapshots(database),
        files=SealedBackupFiles(sealer, ring.ids),
        clock=clock,
        release=version("holdfast"),
    )


def verify_backup(settings: Settings, path: Path, progress: Progress = unwatched) -> BackupSummary:
    """Read a backup from its beginning to its end. It takes the key ring and no database.

    Raises:
        IntegrityFailure: it was altered, cut short, or is no backup.
        KeyUnavailable: the ring lacks a key that it takes to restore it.
        ConfigurationError: there is no key.
    """
    return _files(present_ring(settings)).verify(path, progress)


async def restore_backup(
    settings: Settings, path: Path, *, caller: Caller, progress: Progress = unwatched
) -> BackupSummary:
    """Put a backup into the empty database of the settings: all of it, or nothing.

    Raises:
        Conflict: the database is not empty.
        IntegrityFailure: the backup was altered, cut short, or is no backup.
        KeyUnavailable: the ring lacks a key that it takes.
        StartupError: there is no database, or a newer release made the backup.
    """
    with _files(present_ring(settings)).reading(path, progress) as found:
        record = record_of(
            caller,
            RESTORE,
            WHOLE_VAULT,
            SystemClock().now(),
            detail=f"backup={found.header.backup} made_at={found.header.made_at.isoformat()}",
        )
        async with AsyncExitStack() as stack:
            database = await connected(stack, settings)
            rows = await PostgresRestorer(database).restore(found.header, found.parts, record)
        return BackupSummary(header=found.header, rows=dict(rows), size=found.size)


def _files(ring: KeyRing) -> SealedBackupFiles:
    return SealedBackupFiles(Envelope(ring), ring.ids)
