"""The local audit log: where records go while PostgreSQL is out of reach, until they can be shipped there."""

import asyncio
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final
from uuid import UUID, uuid4

from holdfast.domain.chain import ChainId, Entry
from holdfast.errors import BackendUnavailable, IntegrityFailure
from holdfast.resilience.events import Event, Log
from holdfast.resilience.ownership import open_file
from holdfast.resilience.supervision import note_failure, note_success
from holdfast.stores.spool.files import MAX_FILE_BYTES, NOTES, append, begin_file, framed, locked, whole_entries

_log: Final = Log(__name__)

KEPT_S: Final = 600.0
"""Seconds that a file is kept when its records were shipped: as long as the newest records are kept in memory."""

_KEPT: Final = ".kept"
_READING: Final = "reading the local audit log"

_MAX_WRITERS: Final = 1024
"""Processes that can share a data folder and each keep their identity over restarts; more get a new one each time."""


class AuditSpool:
    """Files in ``folder``; each batch is on disk before ``write`` returns.

    A file belongs to the process that holds its lock: no one ships a file that may still grow.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._chain: ChainId | None = None
        self._descriptor: int | None = None
        self._identity: int | None = None
        self._busy = threading.Lock()  # held by the thread that writes

    def writer(self) -> UUID:
        """Return the identity of this process, which it has until ``forget_writer``.

        It is the first in the folder that no live process has, so that a restarted process goes on under its old one.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for number in range(_MAX_WRITERS):
                descriptor = os.open(self.folder / f"writer-{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                if locked(descriptor):
                    self._identity = descriptor
                    return _identity_in(descriptor)
                os.close(descriptor)
        except OSError as error:
            _log(Event.AUDIT_WRITER_NEW, reason=error)
        return uuid4()

    def forget_writer(self) -> None:
        """Let another process have the identity."""
        if self._identity is not None:
            os.close(self._identity)
            self._identity = None

    async def write(self, entries: Sequence[Entry]) -> None:
        """Implements ``ports.AuditSink``."""
        lines = b"".join(framed(entry.line()) for entry in entries)
        try:
            await asyncio.to_thread(self._append, entries[0].chain, lines)
        except OSError as error:
            self.close()
            raise BackendUnavailable(f"The local audit log cannot be written ({type(error).__name__})") from error

    def close(self) -> None:
        """Let go of the current file, unless it is being written; the next record begins another."""
        if self._busy.acquire(blocking=False):
            try:
                self._let_go()
            finally:
                self._busy.release()

    def segments(self) -> Iterator[AbstractContextManager[Sequence[Entry]]]:
        """The whole entries of every file that no one else holds.

        When its context ends without an error a file is kept for ``KEPT_S`` more seconds, in case a failover takes its
        records back; one that is damaged, or holds what is refused for good (``IntegrityFailure``), is set aside. What
        cannot be read is left where it is, and health names it.
        """
        self.close()
        self._forget()
        odd: list[str] = []
        for file in sorted(self.folder.glob("*.log")) if self.folder.is_dir() else []:
            try:
                opened = open_file(file)
            except FileNotFoundError:  # another process has shipped it meanwhile
                continue
            except OSError as error:
                odd.append(f"{file} ({error.strerror})")
                continue
            if locked(opened.fileno()):
                yield _taken(file, opened)
            else:
                opened.close()
        if odd:
            note_failure(_READING, BackendUnavailable(f"Files of audit records cannot be read: {', '.join(odd)}"))
        else:
            note_success(_READING)

    def waiting(self) -> int:
        """How many files have not been shipped."""
        return sum(1 for _ in self.folder.glob("*.log"))

    def reopen(self) -> None:
        """Let files that were shipped be shipped again, and what processes noted that are gone by now.

        What is there already is compared.
        """
        self._forget()
        for file in self._kept():
            with suppress(FileNotFoundError):  # another process was quicker
                file.rename(file.with_suffix(".log"))

    def _forget(self) -> None:
        for file in self._kept():
            with suppress(FileNotFoundError):
                if time.time() - file.lstat().st_mtime > KEPT_S:
                    file.unlink()

    def _kept(self) -> list[Path]:
        """Files that were shipped, and notes of processes that are gone."""
        return [*self.folder.glob(f"*{_KEPT}"), *filter(_is_left, self.folder.glob(f"*{NOTES}"))]

    def _append(self, chain: ChainId, lines: bytes) -> None:
        with self._busy:
            append(self._current(chain), lines, durably=True)

    def _let_go(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _current(self, chain: ChainId) -> int:
        if self._chain != chain or (self._descriptor and os.fstat(self._descriptor).st_size > MAX_FILE_BYTES):
            self._let_go()
        if self._descriptor is None:
            _, self._descriptor = begin_file(self.folder, ".log", durably=True)
            self._chain = chain
        return self._descriptor


def _keep(file: Path) -> None:
    with suppress(FileNotFoundError):
        os.utime(file)
        file.rename(file.with_suffix(_KEPT))


@contextmanager
def _taken(file: Path, opened: BinaryIO) -> Iterator[Sequence[Entry]]:
    with opened:
        entries, damaged = whole_entries(opened.read())
        try:
            yield entries
        except IntegrityFailure as refused:
            _set_aside(file, f"records that are refused: {refused}")
        else:
            _set_aside(file, "a damaged line") if damaged else _keep(file)


def _set_aside(file: Path, found: str) -> None:
    file.rename(file.with_suffix(".damaged"))
    _log(Event.AUDIT_FILE_DAMAGED, found=found, file=file)


def _is_left(notes: Path) -> bool:
    """Whether no process holds these notes any more."""
    try:
        with open_file(notes) as opened:
            return locked(opened.fileno())
    except FileNotFoundError:
        return False
    except OSError:  # they become a file to be shipped, and as such are named
        return True


def _identity_in(descriptor: int) -> UUID:
    text = os.pread(descriptor, 64, 0).decode("ascii", "replace").strip()
    try:
        return UUID(text)
    except ValueError:  # new, or cut short by a crash
        identity = uuid4()
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{identity}\n".encode(), 0)
        os.fdatasync(descriptor)
        return identity
