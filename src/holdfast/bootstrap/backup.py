"""Backups of the whole installation: made by a node, checked and restored without one."""

from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from holdfast.bootstrap.datafolder import SPOOL
from holdfast.bootstrap.keysources import present_ring
from holdfast.bootstrap.release import release
from holdfast.bootstrap.storage import connected
from holdfast.config import Settings
from holdfast.crypto.envelope import Envelope
from holdfast.crypto.keyring import KeyRing
from holdfast.domain.audit import AuditRecord, record_of
from holdfast.domain.policy import Caller
from holdfast.domain.revocations import Revocation
from holdfast.errors import InvalidInput
from holdfast.ports import BackupHeader, BackupSummary, Clock, Known, Progress, RestoreSummary, Sealer
from holdfast.resilience.clock import SystemClock
from holdfast.service.access.guard import WHOLE_VAULT, Guard
from holdfast.service.backup.backups import Backups, unwatched
from holdfast.service.backup.trails import Knowledge
from holdfast.stores.backupfile import SealedBackupFiles
from holdfast.stores.postgres.backup import PostgresSnapshots
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.restoring import PostgresRestorer
from holdfast.stores.spool import entries_in

RESTORE: Final = "backup.restore"
"""The operation by which a restoration is on record: the first record of the new life."""

UNDO: Final = "backup.undo_revocation"
"""The operation by which it is on record that something counts again that was revoked after the backup."""


def open_backups(database: Database, ring: KeyRing, *, sealer: Sealer, guard: Guard, clock: Clock) -> Backups:
    """Return what makes backups."""
    return Backups(
        guard=guard,
        source=PostgresSnapshots(database),
        files=SealedBackupFiles(sealer, ring.ids),
        clock=clock,
        release=release(),
    )


def verify_backup(settings: Settings, path: Path, progress: Progress = unwatched) -> BackupSummary:
    """Read a backup from its beginning to its end. It takes the key ring and no database.

    Raises:
        IntegrityFailure: it was altered, cut short, or is no backup.
        KeyUnavailable: the ring lacks a key that it takes to restore it.
        ConfigurationError: there is no key.
    """
    return _files(present_ring(settings)).verify(path, progress)


def known_revocations(settings: Settings, path: Path, trails: Sequence[Path] = ()) -> Known:
    """Return what is known of revocations since a backup was made.

    It is told by ``trails``, which are exports of the audit trail or files that a stream of it wrote, in their order;
    and by the local audit log in the data folder of the settings, if there is one.

    Raises:
        IntegrityFailure: a trail was altered, is none, or begins after the backup; or the backup is no whole one.
        InvalidInput: a trail cannot be read.
        KeyUnavailable, ConfigurationError: as `verify_backup` raises them.
    """
    with _files(present_ring(settings)).reading(path, unwatched) as found:
        knowledge = Knowledge(found.header.made_at)
    for trail in trails:
        with _readable(trail), trail.open("rb") as lines:
            knowledge.trail(lines)
    folder = settings.data_dir / SPOOL
    with _readable(folder):
        for entry in entries_in(folder):
            knowledge.entry(entry)
    return knowledge.known()


async def restore_backup(
    settings: Settings,
    path: Path,
    *,
    caller: Caller,
    progress: Progress = unwatched,
    known: Known | None = None,
    undo_revocations: bool = False,
) -> RestoreSummary:
    """Put a backup into the empty database of the settings: all of it, or nothing.

    ``known``: what is known of revocations since it was made; by default nothing. They are made again before anybody is
    served, or else, with ``undo_revocations``, let count again; all of that is on record.

    Raises:
        Conflict: the database is not empty.
        IntegrityFailure: the backup was altered, cut short, or is no backup; or ``known`` is of another installation.
        KeyUnavailable: the ring lacks a key that it takes.
        StartupError: there is no database, or a newer release made the backup.
    """
    ring = present_ring(settings)
    with _files(ring).reading(path, progress) as found:
        header = found.header
        known = known or Known(until=header.made_at)
        recorded = partial(records_of, caller, header, known, undone=undo_revocations)
        async with AsyncExitStack() as stack:
            restorer = PostgresRestorer(await connected(stack, settings), Envelope(ring), ring.seal_with)
            rows, met = await restorer.restore(header, found.parts, known, recorded, undo=undo_revocations)
        return RestoreSummary(
            header=header,
            rows=dict(rows),
            size=found.read(),
            revoked=() if undo_revocations else tuple(met),
            undone=tuple(met) if undo_revocations else (),
            known_until=known.until,
            gaps=known.gaps,
            unclear=known.unclear,
        )


def records_of(
    caller: Caller, header: BackupHeader, known: Known, met: Sequence[Revocation], *, undone: bool
) -> list[AuditRecord]:
    """What goes on record of a restoration: that it was, and each revocation that was made again, or undone."""
    record = partial(record_of, caller, timestamp=SystemClock().now())
    about = f"backup={header.backup} made_at={header.made_at.isoformat()}"
    accepted = f"revocations after {known.until.isoformat()} are not known, which was accepted"
    done = f"{'let count again' if undone else 'revoked again'}: {len(met)}"
    first = record(RESTORE, WHOLE_VAULT, detail=f"{about}; {accepted}; {done}")
    if undone:
        return [first, *(record(UNDO, each.name, detail=str(each)) for each in met)]
    return [first, *(record(each.operation, each.name, detail=each.detail) for each in met)]


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror}).", field="--trail") from error


def _files(ring: KeyRing) -> SealedBackupFiles:
    return SealedBackupFiles(Envelope(ring), ring.ids)
