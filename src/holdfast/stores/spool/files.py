"""Files of audit records: entries of one chain, a line each, under the lock of the process that they belong to.

A line: CRC-32 of the rest in 8 hex digits, a space, the entry's own line.
"""

import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from zlib import crc32

from holdfast.domain.chain import Entry, follows, parse_line
from holdfast.errors import IntegrityFailure

MAX_FILE_BYTES: Final = 8 * 1024 * 1024
"""Records of one file are shipped in one transaction, so a file is kept to what one holds easily."""

NOTES: Final = ".note"
"""How files of records end that were confirmed, for whoever starts after the process that holds them."""


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
    """All whole entries of the files in a folder, whoever holds them; nothing is changed.

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


def locked(descriptor: int) -> bool:
    """Lock a file; False if another holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
