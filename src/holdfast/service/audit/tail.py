"""The newest records, kept for as long as a failover may take them back from the database.

A standby that is promoted lacks what the primary had not sent it yet, records among it that were confirmed. So after
every reconnect the newest ones are compared with what is stored, some at a time, and the missing ones written again.
"""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain, groupby
from operator import attrgetter
from typing import Final

from holdfast.domain.chain import Entry
from holdfast.ports import AuditArchive

KEPT_S: Final = 600.0
"""Seconds that a record is kept; a standby is behind by some of them at most, or is not promoted without a thought."""

MAX_BYTES: Final = 64 * 1024 * 1024
"""What is kept at most; then the oldest go earlier."""

AT_ONCE: Final = 500
"""Entries compared in one transaction, between which records of requests get their places."""

_OBJECTS: Final = 500
"""Bytes that an entry takes besides its line, about."""


class Tail:
    """Entries that were confirmed, the oldest first."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kept: deque[tuple[float, Sequence[Entry], int]] = deque()
        self._size = self._restored = self._added = self._taken = 0
        self._doubted: deque[Sequence[Entry]] = deque()

    @property
    def doubted(self) -> bool:
        """Whether anything is to be compared."""
        return bool(self._doubted)

    def add(self, entries: Sequence[Entry]) -> None:
        """Keep entries that the database has confirmed."""
        now, size = self._monotonic(), sum(len(entry.body) + _OBJECTS for entry in entries)
        self._kept.append((now, entries, size))
        self._added += 1
        self._size += size
        while self._kept and (self._size > MAX_BYTES or now - self._kept[0][0] > KEPT_S):
            self._size -= self._kept.popleft()[2]

    def entries(self) -> list[Entry]:
        """All that is kept."""
        return list(chain.from_iterable(entries for _, entries, _ in self._kept))

    def take_new(self) -> list[Entry]:
        """What was added since the last call, as far as it is kept."""
        new = min(self._added - self._taken, len(self._kept))
        self._taken = self._added
        return list(chain.from_iterable(self._kept[place][1] for place in range(-new, 0)))

    def doubt(self) -> None:
        """The database may have gone back: all that is kept is to be compared."""
        self._doubted = deque()
        for _, entries in groupby(self.entries(), attrgetter("chain")):
            same = list(entries)
            self._doubted += [same[start : start + AT_ONCE] for start in range(0, len(same), AT_ONCE)]

    async def compare_some(self, archive: AuditArchive) -> int:
        """Compare what comes next, and write what is missing; returns, once all is compared, how many were missing.

        Raises:
            BackendUnavailable: the database does not answer; the next call goes on where this one began.
        """
        entries = self._doubted.popleft()
        try:
            self._restored += await archive.write_once(entries)
        except BaseException:
            self._doubted.appendleft(entries)
            raise
        if self._doubted:
            return 0
        restored, self._restored = self._restored, 0
        return restored
