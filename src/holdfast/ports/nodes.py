"""The nodes that run on one database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from holdfast.ports.audit import BackendHealth


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRecord:
    """One process that serves. ``name``: ``host:pid``. ``schema_version``: what its release works with."""

    id: UUID
    name: str
    release: str
    schema_version: int
    started_at: datetime
    seen_at: datetime
    backends: Sequence[BackendHealth]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unshipped:
    """A node that has, or may have, audit records in its data folder that are not in the database.

    ``seen_at``: when it was last heard of. ``found``: what is known of them.
    """

    node: str
    seen_at: datetime
    found: str


@dataclass(frozen=True, slots=True)
class Presences:
    """What a node learns when it reports: the schema that the database has by now, and how many nodes there are."""

    schema_version: int
    nodes: int


class NodeStore(Protocol):
    """Who is there, by the database's clock."""

    async def beat(self, node: NodeRecord) -> Presences:
        """Report a node."""

    async def leave(self, node: UUID) -> None:
        """Forget a node that stops."""

    async def present(self) -> list[NodeRecord]:
        """Nodes heard of in the last seconds, oldest first."""

    async def vanished(self) -> list[NodeRecord]:
        """Nodes that were heard of within the hour, said no goodbye, and have no successor on their machine."""
