"""What it takes to check the audit trail, and where it is sent to."""

from holdfast.v1_wire.documents import Document, Moment


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
