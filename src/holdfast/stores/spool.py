"""The local audit log: where records go while PostgreSQL is out of reach, until they can be shipped there."""

import asyncio
import fcntl
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import msgspec

from holdfast.domain.audit import AuditRecord
from holdfast.errors import BackendUnavailable, IntegrityFailure

MAX_FILE_BYTES: Final = 8 * 1024 * 1024
"""Records of one file are shipped in one transaction, so a file is kept to what one holds easily."""

_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(AuditRecord)


class AuditSpool:
    """JSON lines in ``folder``, each batch on disk before ``write`` returns.

    A file belongs to the process that holds its lock: nobody ships a file that may still grow.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None
        self._busy = threading.Lock()  # held by the thread that writes

    async def write(self, records: Sequence[AuditRecord]) -> None:
        """Implements ``ports.AuditSink``."""
        lines = b"".join(_encoder.encode(record) + b"\n" for record in records)
        try:
            await asyncio.to_thread(self._append, lines)
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

    def batches(self) -> Iterator[AbstractContextManager[tuple[UUID, list[AuditRecord]]]]:
        """Every file nobody else holds, each removed when its context ends without an error.

        Raises:
            IntegrityFailure: by a context, for a file that is damaged. It is kept.
        """
        self.close()
        for file in sorted(self._folder.glob("*.jsonl")) if self._folder.is_dir() else []:
            descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            if _locked(descriptor):
                yield _taken(file, descriptor)
            else:
                os.close(descriptor)

    def _append(self, lines: bytes) -> None:
        with self._busy:
            descriptor = self._current()
            start = os.fstat(descriptor).st_size
            if os.write(descriptor, lines) != len(lines):
                os.ftruncate(descriptor, start)
                raise OSError("short write")
            os.fdatasync(descriptor)

    def _let_go(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _current(self) -> int:
        if self._descriptor is not None and os.fstat(self._descriptor).st_size > MAX_FILE_BYTES:
            self._let_go()
        if self._descriptor is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = self._folder / f"{uuid4()}.jsonl"
            self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            _sync_folder(self._folder)
        return self._descriptor


@contextmanager
def _taken(file: Path, descriptor: int) -> Iterator[tuple[UUID, list[AuditRecord]]]:
    try:
        yield _content_of(file)
        file.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _content_of(file: Path) -> tuple[UUID, list[AuditRecord]]:
    try:
        return UUID(file.stem), _whole_records(file.read_bytes())
    except (ValueError, msgspec.DecodeError) as error:
        raise IntegrityFailure(f"The local audit log has a damaged file, {file}; it is kept for a person") from error


def _whole_records(text: bytes) -> list[AuditRecord]:
    """The records of a file. A last line that a crash cut short was never acknowledged, and is left out."""
    return [_decoder.decode(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
