"""The newest records that PostgreSQL has confirmed, once more on disk: for whoever starts after this process has died.

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
from uuid import uuid4

from holdfast.domain.chain import ChainId, Entry
from holdfast.stores.spool.files import MAX_FILE_BYTES, NOTES, framed, locked

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
            self._size += os.write(self._files[-1][1], lines)

    def close(self) -> None:
        """Leave the files to whoever starts next."""
        for _, descriptor in self._files:
            os.close(descriptor)
        self._files.clear()
        self._chain = None

    def _begin(self, chain: ChainId) -> None:
        """Begin a file, which is ours by the time others can see it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._folder / f"{uuid4()}.new"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        locked(descriptor)
        file = draft.with_suffix(NOTES)
        draft.rename(file)
        self._files.append((file, descriptor))
        self._chain, self._size = chain, 0
        while len(self._files) > MAX_FILES:
            oldest, held = self._files.popleft()
            with suppress(FileNotFoundError):
                oldest.unlink()
            os.close(held)
