"""Files of audit records: entries of one chain, a line each, under the lock of the process that they belong to.

A line: CRC-32 of the rest in 8 hex digits, a space, the entry's own line.
"""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import uuid4
from zlib import crc32

from holdfast.domain.chain import Entry, follows, parse_line
from holdfast.errors import IntegrityFailure
from holdfast.resilience.durable import sync_folder

MAX_FILE_BYTES: Final = 8 * 1024 * 1024
"""Records of one file are shipped in one transaction, so a file is kept to what one holds easily."""

NOTES: Final = ".note"
"""How files of records end that were confirmed, for the process that starts after the one that holds them."""


def whole_entries(content: bytes) -> tuple[list[Entry], bool]:
    """The entries of a file that are whole, and whether it is damaged.

    What a crash cut short at the end was never acknowledged; it is left out, and is no damage.
    """
    lines = content.split(b"\n")
    if lines[-1] == b"":
        del lines[-1]
    parsed = list(map(_unframed, lines))
    while parsed and parsed[-1] is None:
        del parsed[-1]
    entries: list[Entry] = []
    for entry in parsed:
        if entry is not None and not (entries and _contradicts(entries[-1], entry)):
            entries.append(entry)
    return entries, len(entries) != len(parsed)


def entries_in(folder: Path) -> Iterator[Entry]:
    """All whole entries of the files in a folder, no matter which process holds them; nothing is changed.

    Raises:
        OSError: a file cannot be read.
    """
    for ending in (".log", ".kept", ".damaged", NOTES):
        for file in sorted(folder.glob(f"*{ending}")):
            yield from whole_entries(file.read_bytes())[0]


def _contradicts(before: Entry, entry: Entry) -> bool:
    next_one = entry.seq == before.seq + 1 and entry.chain == before.chain
    return entry.chain != before.chain or (next_one and not follows(before.hash, entry))


def framed(line: bytes) -> bytes:
    """A line of the log, with its checksum."""
    return b"%08x %b\n" % (crc32(line), line)


def _unframed(framed: bytes) -> Entry | None:
    line = framed[9:]
    if framed[:9] != b"%08x " % crc32(line):
        return None
    try:
        return parse_line(line)
    except IntegrityFailure:
        return None


def begin_file(folder: Path, ending: str, *, durably: bool) -> tuple[Path, int]:
    """Make a file that is ours by the time others can see it: an unlocked one would be taken for abandoned.

    ``durably``: its name is on disk on return.

    Raises:
        OSError: the disk does not take it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = folder / f"{uuid4()}.new"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        file = draft.rename(draft.with_suffix(ending))
        if durably:
            sync_folder(folder)
    except OSError:
        os.close(descriptor)
        raise
    return file, descriptor


def append(descriptor: int, lines: bytes, *, durably: bool) -> None:
    """Add lines to a file, all of them or, with an OSError, none. ``durably``: they are on disk on return."""
    start = os.fstat(descriptor).st_size
    try:
        _write(descriptor, lines)
        if durably:
            os.fdatasync(descriptor)
    except OSError:
        os.ftruncate(descriptor, start)  # what is refused had better not be on record
        raise


def _write(descriptor: int, lines: bytes) -> None:
    if os.write(descriptor, lines) != len(lines):
        raise OSError("short write")


def locked(descriptor: int) -> bool:
    """Lock a file; False if another holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
