"""What it takes to check the audit trail, and where it is sent to."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta

from holdfast.domain.checkpoint import GAP_PATTERN
from holdfast.v1_wire.documents import Document, Moment, Request


class KeysDocument(Document):
    """Public keys that checkpoints of this installation may be signed with, as lines of a key file."""

    items: list[str]


class StreamDocument(Document):
    """How a stream is doing. ``waiting``: records or checkpoints that it has not delivered yet."""

    name: str
    kind: str
    delivered: int
    waiting: int
    delivered_at: Moment | None
    failed_at: Moment | None
    last_error: str | None


class StreamsDocument(Document):
    """The streams of the settings."""

    items: list[StreamDocument]


class GapDocument(Document):
    """Records from ``first`` to ``last`` that are missing above the last checkpoint of their chain."""

    name: str
    writer: UUID
    boot: int
    first: int
    last: int


class GapsDocument(Document):
    """All that is missing so."""

    items: list[GapDocument]


class UnshippedDocument(Document):
    """A node that has, or may have, audit records that are not in the database: no export has them yet."""

    node: str
    seen_at: Moment
    found: str


class UnshippedListDocument(Document):
    """All such nodes."""

    items: list[UnshippedDocument]


class AcknowledgeGap(Request):
    """The gap whose records are lost, as the list names it."""

    gap: Annotated[str, Meta(pattern=GAP_PATTERN)]
