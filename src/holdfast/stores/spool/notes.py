"""The newest records that PostgreSQL has confirmed, once more on disk, for the process that starts after this one.

Nothing waits for these files and they are not synced: the death of a process loses none of them, that of a machine may.
"""

import os
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Final

from holdfast.domain.chain import ChainId, Entry
from holdfast.stores.spool.files import MAX_FILE_BYTES, NOTES, append, begin_file, framed

MAX_FILES: Final = 8
"""Files that a process has at most, of 8 MiB each; then the oldest goes."""


class AuditNotes:
    """Files in ``folder``, in the form of the local audit log; this process's as long as it holds their lock."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: deque[tuple[Path, int]] = deque()
        self._chain: ChainId | None = None
        self._size = 0

    def add(self, entries: Sequence[Entry]) -> None:
        """Note entries that were confirmed.

        Raises:
            OSError: the disk does not take them.
        """
        for chain, same in groupby(entries, attrgetter("chain")):
            lines = b"".join(framed(entry.line()) for entry in same)
            if chain != self._chain or self._size > MAX_FILE_BYTES:
                self._begin(chain)
            append(self._files[-1][1], lines, durably=False)
            self._size += len(lines)

    def close(self) -> None:
        """Leave the files to the process that starts next."""
        for _, descriptor in self._files:
            os.close(descriptor)
        self._files.clear()
        self._chain = None

    def _begin(self, chain: ChainId) -> None:
        """Begin a file; the oldest goes when there are too many."""
        self._files.append(begin_file(self._folder, NOTES, durably=False))
        self._chain, self._size = chain, 0
        while len(self._files) > MAX_FILES:
            oldest, held = self._files.popleft()
            with suppress(FileNotFoundError):
                oldest.unlink()
            os.close(held)
