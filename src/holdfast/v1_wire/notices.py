"""Notices: what people were and will be told."""

from typing import Annotated

from msgspec import Meta

from holdfast.domain.notices import NoticeState, Topic
from holdfast.v1_wire.documents import Document, Moment, Request

MAX_NOTICES = 1_000
"""Notices that one request names."""

NoticeIds = Annotated[list[Annotated[int, Meta(ge=1, le=2**63 - 1)]], Meta(min_length=1, max_length=MAX_NOTICES)]

Recipient = Annotated[
    str,
    Meta(
        pattern=r"^([a-z][a-z0-9_-]{0,31}|[0-9A-Za-z.!#$%&'*+/=?^_{|}~-]+@[0-9A-Za-z.-]+)$",
        min_length=1,
        max_length=254,
    ),
]
"""The name of a channel, or a bare e-mail address."""


class EventDocument(Document):
    """What happened. ``subject``: the secret or backend it is about; ``facts``: what the text is made of."""

    id: str
    topic: Topic
    subject: str
    facts: dict[str, str]


class NoticeDocument(Document):
    """One event for one recipient: an e-mail address, or the name of a channel.

    Notices of one ``bundle`` are one message. ``last_error``: why the last attempt failed.
    """

    id: int
    event: EventDocument
    recipient: str
    bundle: str | None
    state: NoticeState
    attempts: int
    last_error: str | None
    created_at: Moment
    next_attempt_at: Moment
    sent_at: Moment | None
    fence: int


class NoticesDocument(Document):
    """Notices, newest first."""

    items: list[NoticeDocument]


class PlannedNoticeDocument(Document):
    """What some recipients will be told, and when."""

    at: Moment
    topic: Topic
    subject: str
    recipients: list[str]


class PlannedNoticesDocument(Document):
    """What will be told, soonest first."""

    items: list[PlannedNoticeDocument]


class WhichNotices(Request):
    """Notices by their numbers; null: every dead one."""

    ids: NoticeIds | None = None


class NoticesDone(Document):
    """How many notices it was done to."""

    number: int


class TestNotice(Request):
    """A channel or an e-mail address; null: every channel."""

    recipient: Recipient | None = None


class NoticeTestDocument(Document):
    """Whether a recipient takes notices; ``error`` says why not."""

    recipient: str
    error: str | None


class NoticeTestsDocument(Document):
    """One result for each recipient."""

    items: list[NoticeTestDocument]
