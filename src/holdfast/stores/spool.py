"""The local audit log: where records go while PostgreSQL is out of reach, until they can be shipped there."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import msgspec

from holdfast.domain.audit import AuditRecord
from holdfast.errors import BackendUnavailable

MAX_FILE_BYTES: Final = 8 * 1024 * 1024
"""Records of one file are shipped in one transaction, so a file is kept to what one holds easily."""

_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(AuditRecord)


class AuditSpool:
    """JSON lines in ``folder``, one file per stretch of outage, each batch on disk before ``write`` returns."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: Path | None = None

    async def write(self, records: Sequence[AuditRecord]) -> None:
        """Implements ``ports.AuditSink``."""
        lines = b"".join(_encoder.encode(record) + b"\n" for record in records)
        try:
            await asyncio.to_thread(self._append, lines)
        except OSError as error:
            self._file = None
            raise BackendUnavailable(f"The local audit log cannot be written ({type(error).__name__})") from error

    def _append(self, lines: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._file is None or self._file.stat().st_size > MAX_FILE_BYTES:
            self._file = self._folder / f"{uuid4()}.jsonl"
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            start = os.fstat(descriptor).st_size
            written = os.write(descriptor, lines)
            if written != len(lines):
                os.ftruncate(descriptor, start)
                raise OSError("short write")
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def batches(self) -> list[tuple[UUID, Path]]:
        """The files that wait to be shipped; from now on new records go to another file."""
        self._file = None
        files = sorted(self._folder.glob("*.jsonl")) if self._folder.is_dir() else []
        return [(UUID(file.stem), file) for file in files]

    async def read(self, file: Path) -> list[AuditRecord]:
        """The whole records of a file; a last line that a crash cut short was never acknowledged and is left out."""
        text = await asyncio.to_thread(file.read_bytes)
        return [_decoder.decode(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]

    async def remove(self, file: Path) -> None:
        """Forget a shipped file."""
        await asyncio.to_thread(file.unlink, missing_ok=True)
