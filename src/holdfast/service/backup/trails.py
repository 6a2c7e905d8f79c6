"""What is known of revocations after a backup: from an audit trail that was kept elsewhere, and from this machine."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from holdfast.domain.chain import GENESIS, ChainId, Entry, follows, parse_line
from holdfast.domain.revocations import tells, told_by
from holdfast.errors import IntegrityFailure
from holdfast.ports import Known

SKEW: Final = timedelta(seconds=60)
"""How far two nodes' clocks may be apart: each may differ by 30 s from PostgreSQL's."""


class Knowledge:
    """Collects what records of an audit trail tell.

    Args:
        made_at: when the backup was made.
    """

    def __init__(self, made_at: datetime) -> None:
        self._since, self._until = made_at - SKEW, made_at
        self._tips: dict[ChainId, tuple[int, bytes]] = {}
        self._anchors: dict[ChainId, tuple[int, bytes]] = {}
        self._telling: list[Entry] = []
        self._gaps: list[str] = []
        self._trails = 0

    def trail(self, lines: Iterable[bytes]) -> None:
        """Take the lines of an export, or of a stream, which may repeat some, cut some short, and hold checkpoints.

        Raises:
            IntegrityFailure: it was altered.
        """
        self._trails += 1
        for number, line in enumerate(lines, 1):
            try:
                entry = parse_line(line.rstrip(b"\r\n"))
            except IntegrityFailure:
                continue  # no record, or a part of one: if it is missed, the chain has a gap
            if not self._follows(entry):
                raise IntegrityFailure(
                    f"Line {number} of the trail, or one before it, was altered: its hash does not fit. Nothing is "
                    "restored. `holdfast audit verify` says more."
                )

    def _follows(self, entry: Entry) -> bool:
        """Take an entry at its place; whether it fits what was there before."""
        seq, digest = self._tips.get(entry.chain, (entry.seq - 1, GENESIS))
        if entry.seq <= seq:
            return True  # it comes again
        begins = entry.chain not in self._tips
        if entry.seq == seq + 1 and (entry.seq == 1 or not begins) and not follows(digest, entry):
            return False
        if entry.seq > seq + 1 and entry.record.timestamp >= self._since:
            self._gaps.append(f"{entry.chain}, records {seq + 1} to {entry.seq - 1}")
        self._tips[entry.chain] = (entry.seq, entry.hash)
        if begins or entry.record.timestamp < self._since:
            self._anchors[entry.chain] = (entry.seq, entry.hash)
        self.entry(entry)
        return True

    def entry(self, entry: Entry) -> None:
        """Take an entry that is trusted as it is."""
        if entry.record.timestamp >= self._since:
            self._until = max(self._until, entry.record.timestamp)
            if tells(entry.record):
                self._telling.append(entry)

    def known(self) -> Known:
        """Return what all of it comes to."""
        told = told_by(entry.record for entry in self._telling)
        return Known(
            until=self._until,
            trails=self._trails,
            anchors={(chain, seq): digest for chain, (seq, digest) in self._anchors.items()},
            revocations=told.revocations,
            unclear=told.unclear,
            gaps=tuple(self._gaps),
        )
