"""The keys of the ring, and what the commit point knows of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from holdfast.domain.audit import AuditRecord
from holdfast.domain.keys import KeyStatus


class Ring(Protocol):
    """The keys that this process holds."""

    sealed: Counter[str]
    """What was sealed since it was last emptied, by key id."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys."""

    @property
    def sealing(self) -> str:
        """The id of the key that seals."""

    def seal_with(self, key_id: str) -> None:
        """Let the key of an id seal from now on.

        Raises:
            KeyUnavailable: the ring has none.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRing:
    """What a node that runs reports of its ring; ``sealing`` is None while it has reported nothing."""

    node: UUID
    name: str
    keys: Sequence[str]
    sealing: str | None


@dataclass(frozen=True, slots=True)
class Damaged:
    """A row that is not genuine, and so is not put under another key. ``row``: what names it in its table."""

    place: str
    row: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some rows put under the key that seals. ``position``: where to go on; None: every row was looked at."""

    renewed: int
    damaged: Sequence[Damaged]
    position: tuple[int, tuple[object, ...]] | None


class KeyRegistry(Protocol):
    """The known answers of every ring key that ever sealed something here."""

    async def known_answers(self) -> Mapping[str, bytes]:
        """Known answers by key id; none in a database that has no schema yet."""

    async def settle(self, key_id: str, known_answer: bytes) -> str:
        """Return the id of the active key, which is this one if there was none."""


class KeyStore(Protocol):
    """The life of keys at the commit point."""

    async def active(self) -> tuple[int, str] | None:
        """When the key that seals was activated, as a number that grows with every activation, and its id."""

    async def keys(self) -> list[KeyStatus]:
        """The active, draining and retired keys, without what nodes and rows say of them."""

    async def rings(self) -> list[NodeRing]:
        """The rings of all nodes that run."""

    async def count(self, sealed: Mapping[str, int]) -> None:
        """Add to how often keys sealed."""

    async def announce(self, node: UUID, keys: Sequence[str], sealing: str) -> None:
        """Report the ring of a node.

        No key becomes active between this and its answer: what is active afterwards took this node into account.
        """

    async def activate(self, key_id: str, known_answer: bytes, record: AuditRecord) -> list[str]:
        """Let a key seal from now on, on all nodes, and the one before drain; announced.

        Returns the names of nodes that run and do not hold it: then nothing was changed.

        Raises:
            Conflict: it is retired.
        """

    async def sealed_under(self, key_ids: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
        """How many rows are sealed under each of these keys, by the table and column they are in: every row is looked
        at.
        """

    async def rewrap(
        self, key_ids: Sequence[str], position: tuple[int, tuple[object, ...]] | None, limit: int
    ) -> Batch:
        """Put up to ``limit`` rows that are sealed under these keys under the one that seals, in one transaction.

        Rows that somebody else holds at the moment are left for another time.
        """

    async def retire(self, key_id: str, record: AuditRecord) -> Mapping[str, int]:
        """Forget a key that nothing is sealed under, and refuse it for ever.

        Returns how many rows are sealed under it, by the table and column they are in: then nothing was changed.
        Transactions that sealed under it and are not through are waited for.

        Raises:
            Conflict: it does not drain.
        """
