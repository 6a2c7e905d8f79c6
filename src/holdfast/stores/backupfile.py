"""Backups as files: readable by whoever has the key ring, and by nobody else.

    +------------------+---------+--------+-------------+------------------+
    | magic, version   | length  | header | sealed key  | sealed stream    |
    | 18 bytes         | 4 bytes | JSON   | 93 bytes    | crypto/streams   |
    +------------------+---------+--------+-------------+------------------+

A random key seals the stream and is itself sealed under the ring, bound to all that precedes it, as is the stream.
Inside the stream stand frames: a letter ("R" rows, "J" a part as JSON), the length in 4 bytes, and so many bytes.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, NoReturn

import msgspec

from holdfast.crypto.aead import KEY_BYTES
from holdfast.crypto.blobs import BLOB_OVERHEAD_BYTES
from holdfast.crypto.streams import StreamSealer, opened
from holdfast.errors import UNREADABLE, Conflict, IntegrityFailure, InvalidInput, KeyUnavailable
from holdfast.ports import (
    BackupHeader,
    BackupPart,
    BackupSummary,
    BackupWriter,
    Counters,
    OpenBackup,
    Progress,
    Sealer,
    Shape,
    TableEnd,
)
from holdfast.resilience.durable import sync_folder

MAGIC: Final = b"HOLDFAST BACKUP 1\n"
MAX_HEADER_BYTES: Final = 64 * 1024
MAX_FRAME_BYTES: Final = 4 * 1024 * 1024
"""Of rows, what PostgreSQL sends at once is written in frames of at most a quarter of this."""

_ROWS_BYTES: Final = 1024 * 1024
_PURPOSE: Final = "installation backup"
_SEALED_KEY_BYTES: Final = KEY_BYTES + BLOB_OVERHEAD_BYTES
_ROWS, _PART = b"R", b"J"
_PREFIX_BYTES: Final = 1 + 4

_encode: Final = msgspec.json.Encoder().encode
_header: Final = msgspec.json.Decoder(BackupHeader).decode
_part: Final = msgspec.json.Decoder(Shape | TableEnd | Counters)


class SealedBackupFiles:
    """Implements ``ports.BackupFiles``.

    Args:
        key_ids: fingerprints of the keys in the ring of ``sealer``.
    """

    def __init__(self, sealer: Sealer, key_ids: tuple[str, ...]) -> None:
        self._sealer, self._key_ids = sealer, key_ids

    @contextmanager
    def writing(self, path: Path, header: BackupHeader) -> Iterator[BackupWriter]:
        """See the port."""
        if path.exists():
            raise _there(path)
        draft = path.with_name(f".{path.name}.{header.backup.hex}.part")
        try:
            with _writable(path):
                file = os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
            with file:
                key, context = self._begin(file, header)
                yield _Writer(file, path, StreamSealer(key, context, file.write), partial(self.verify, draft))
            with _writable(path):
                _put_in_place(draft, path)
                sync_folder(path.absolute().parent)
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)

    @contextmanager
    def reading(self, path: Path, progress: Progress) -> Iterator[OpenBackup]:
        """See the port."""
        try:
            with path.open("rb") as stream:
                file, size = _Counted(stream), os.fstat(stream.fileno()).st_size
                header, key, context = self._opened(file)
                pieces = _watched(opened(key, context, file.read), file, size, progress)
                yield OpenBackup(header, lambda: file.count, _in_order(_parts(pieces)))
        except OSError as error:
            raise InvalidInput(f"{path} cannot be read ({error.strerror}).", field="FILE") from error

    def verify(self, path: Path, progress: Progress) -> BackupSummary:
        """See the port."""
        with self.reading(path, progress) as found:
            rows = {part.table: part.rows for part in found.parts if isinstance(part, TableEnd)}
        return BackupSummary(header=found.header, rows=rows, size=found.read())

    def _begin(self, file: BinaryIO, header: BackupHeader) -> tuple[bytes, bytes]:
        """Write all that precedes the stream; returns the stream's key and context."""
        text, key = _encode(header), os.urandom(KEY_BYTES)
        start = MAGIC + len(text).to_bytes(4, "big") + text
        start += self._sealer.seal_bytes(_PURPOSE, start, key)
        file.write(start)
        return key, start

    def _opened(self, file: "_Counted") -> tuple[BackupHeader, bytes, bytes]:
        """Read all that precedes the stream; returns the header, the stream's key and its context."""
        if file.read(len(MAGIC)) != MAGIC:
            raise IntegrityFailure("This is no backup of an installation, or one that a newer release has made.")
        length = file.read(4)
        text = file.read(min(int.from_bytes(length, "big"), MAX_HEADER_BYTES))
        try:
            header = _header(text)
        except UNREADABLE:
            raise IntegrityFailure("The header of the backup was altered, or cut short.") from None
        self._check_keys(header)
        start, sealed = MAGIC + length + text, file.read(_SEALED_KEY_BYTES)
        return header, self._sealer.open_bytes(_PURPOSE, start, sealed), start + sealed

    def _check_keys(self, header: BackupHeader) -> None:
        missing = [key_id for key_id in header.keys if key_id not in self._key_ids]
        if missing:
            raise KeyUnavailable(
                f"The backup takes the keys {', '.join(header.keys)} (fingerprints), and the ring lacks "
                f"{', '.join(missing)}. Nothing was written."
            )


class _Counted:
    """A stream that knows how much of it was read; a pipe does not tell."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.count = 0

    def read(self, size: int) -> bytes:
        """Read so many bytes, or what there is before the end."""
        data = self._stream.read(size)
        self.count += len(data)
        return data


class _Writer:
    """Implements ``ports.BackupWriter``."""

    def __init__(
        self, file: BinaryIO, path: Path, stream: StreamSealer, verify: Callable[[Progress], BackupSummary]
    ) -> None:
        self._file, self._path, self._stream, self._verify = file, path, stream, verify

    def rows(self, data: bytes) -> None:
        """See the port."""
        for begin in range(0, len(data), _ROWS_BYTES):
            self._frame(_ROWS, data[begin : begin + _ROWS_BYTES])

    def put(self, part: Shape | TableEnd | Counters) -> None:
        """See the port."""
        self._frame(_PART, _encode(part))

    def finish(self, progress: Progress) -> BackupSummary:
        """See the port."""
        with _writable(self._path):
            self._stream.finish()
            self._file.flush()
            os.fsync(self._file.fileno())
        return self._verify(progress)

    def _frame(self, kind: bytes, content: bytes) -> None:
        with _writable(self._path):
            self._stream.write(kind + len(content).to_bytes(4, "big"))
            self._stream.write(content)


def _parts(pieces: Iterator[bytes]) -> Iterator[BackupPart]:
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        while (frame := _frame_of(buffer)) is not None:
            kind, content = frame
            yield content if kind == _ROWS else _decoded(content)
    if buffer:
        _malformed()


def _frame_of(buffer: bytearray) -> tuple[bytes, bytes] | None:
    """Take the first frame out of the buffer, once all of it is there."""
    if len(buffer) < _PREFIX_BYTES:
        return None
    end = _PREFIX_BYTES + int.from_bytes(buffer[1:_PREFIX_BYTES], "big")
    if end > MAX_FRAME_BYTES:
        _malformed()
    if len(buffer) < end:
        return None
    kind, content = bytes(buffer[:1]), bytes(buffer[_PREFIX_BYTES:end])
    del buffer[:end]
    return kind, content


def _decoded(content: bytes) -> BackupPart:
    try:
        part: Shape | TableEnd | Counters = _part.decode(content)
    except UNREADABLE:
        _malformed()
    return part


def _in_order(parts: Iterator[BackupPart]) -> Iterator[BackupPart]:
    """The same parts, if they come as a backup has them."""
    shape = next(parts, None)
    if not isinstance(shape, Shape):
        _malformed()
    yield shape
    for table in shape.tables:
        for part in parts:
            yield part
            if isinstance(part, TableEnd) and part.table == table.name:
                break
            if not isinstance(part, bytes):
                _malformed()
        else:
            _malformed()
    counters = next(parts, None)
    if not isinstance(counters, Counters):
        _malformed()
    yield counters
    if next(parts, None) is not None:
        _malformed()


def _malformed() -> NoReturn:
    raise IntegrityFailure("The backup authenticates, and is not made as this release knows it: use the one it names.")


def _watched(pieces: Iterator[bytes], file: _Counted, size: int, progress: Progress) -> Iterator[bytes]:
    for piece in pieces:
        if size:  # of a pipe it is not known
            progress(file.count, size)
        yield piece


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidInput(
            f"The backup cannot be written to {path} ({error.strerror}): name a folder that is writable and has room.",
            field="FILE",
        ) from error


def _there(path: Path) -> Conflict:
    return Conflict(f"There is a file {path} already, and no backup is ever overwritten: name another.")


def _put_in_place(draft: Path, path: Path) -> None:
    """Give the draft its name, unless somebody has taken it meanwhile."""
    try:
        path.hardlink_to(draft)  # unlike a rename it overwrites nothing
    except FileExistsError:
        raise _there(path) from None
    except OSError:  # a file system without links
        if path.exists():
            raise _there(path) from None
        draft.rename(path)
