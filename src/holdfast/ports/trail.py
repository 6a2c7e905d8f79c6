"""The audit trail, for those who look into it, sign it and send it elsewhere."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from holdfast.domain.audit import AuditPage, AuditQuery
from holdfast.domain.chain import Entry
from holdfast.domain.checkpoint import Gap, Head, Pruned


class AuditSearch(Protocol):
    """Finds records, wherever they are at this moment: in a chain already, or not yet."""

    async def search(self, query: AuditQuery) -> AuditPage:
        """Some records that fit, newest first."""

    def export(self, since: datetime | None, until: datetime | None) -> AsyncIterator[Sequence[Entry]]:
        """Of every chain, the whole stretch that holds all records made from ``since`` to before ``until``.

        Chain by chain, in the order of the chains, some entries at a time.
        """


class CheckpointStore(Protocol):
    """Checkpoints and the keys that sign them."""

    async def extend(self, make: Callable[[bytes | None, Sequence[Head], int], bytes]) -> bytes | None:
        """Add the next checkpoint, if any chain has grown; returns its line.

        ``make`` is given the line before, the heads of the chains that grew, without a gap, and by how many records.

        Raises:
            Conflict: another node is at it, so nothing is known of how that goes.
        """

    async def prune(self, keep: timedelta, make: Callable[[bytes | None, Sequence[Pruned]], bytes]) -> bytes | None:
        """Drop the oldest partition, if everything in it is older than ``keep``, signed, and delivered to all streams.

        ``make`` is given the line before and what is dropped; the checkpoint that says so is stored in the same
        transaction. Returns its line; None if there was nothing to drop.

        Raises:
            Conflict: another node is at it.
        """

    async def gaps(self) -> list[Gap]:
        """Records that are missing right above the last checkpoint of their chain, with others after them."""

    async def pass_over(self, gap: Gap, make: Callable[[bytes | None, Head, int], bytes]) -> bytes | None:
        """Add a checkpoint that goes on after a gap; returns its line, or None: there is no such gap (any more).

        ``make`` is given the line before, the head of what follows the gap, and of how many records that is.
        """

    async def lines(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Checkpoints after a number, with their numbers, in order."""

    async def keys(self) -> list[tuple[bytes, bytes]]:
        """Public keys and their sealed private halves, the one that signs first."""

    async def add_key(self, key_id: str, public_key: bytes, sealed_key: bytes) -> None:
        """Add a key, unless there is one."""

    async def reseal_key(self, public_key: bytes, sealed_key: bytes) -> None:
        """Replace the seal of a private key."""


class Signing(Protocol):
    """One signing key."""

    key_id: str
    public_key: bytes
    seed: bytes

    def sign(self, data: bytes) -> bytes:
        """Return the signature of some bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamState:
    """How a stream is doing. ``waiting``: records or checkpoints that it has not delivered yet."""

    name: str
    kind: str
    delivered: int
    waiting: int
    delivered_at: datetime | None
    failed_at: datetime | None
    last_error: str | None


class Outlet(Protocol):
    """A place outside that takes lines."""

    name: str

    async def send(self, lines: Sequence[bytes]) -> None:
        """Return when the lines, without line ends, are there.

        Raises:
            BackendUnavailable: they may or may not be.
        """


class StreamStore(Protocol):
    """How far each stream has come."""

    async def lead(self, name: str, holder: UUID, lease: timedelta) -> bool:
        """Whether this holder, and no other, delivers to a stream for the coming time; makes the stream if need be."""

    async def next(self, name: str, limit: int) -> Sequence[Entry]:
        """Entries that were not delivered yet, in the order of their chains and without a gap in any."""

    async def delivered(self, name: str, holder: UUID, entries: Sequence[Entry]) -> None:
        """Move the cursors on; one that has lost the lead moves nothing."""

    async def next_checkpoints(self, name: str, limit: int) -> list[tuple[int, bytes]]:
        """Checkpoints that were not delivered yet, with their numbers."""

    async def delivered_checkpoint(self, name: str, holder: UUID, number: int) -> None:
        """Move the cursor on; one that has lost the lead moves nothing."""

    async def failed(self, name: str, error: str) -> None:
        """Take note of a failure."""

    async def states(self, names: Sequence[tuple[str, str]]) -> list[StreamState]:
        """How the streams of these names and kinds are doing."""
