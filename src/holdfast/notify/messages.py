"""From notices to one message, before it is dressed for a channel."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid5

from holdfast.domain.notices import Notice
from holdfast.notify.wording import Said, said

MOST_IN_FULL: Final = 16
"""Notices of one message that are told in full; Slack takes no more, as 50 blocks. Others are counted."""

_LONGEST_TITLE: Final = 140
"""Characters: what Slack takes in a headline, less the ellipsis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one recipient gets. ``id``: the same at every attempt; ``left_out``: how many are only counted."""

    id: UUID
    installation: str
    title: str
    items: tuple[Said, ...]
    left_out: int
    urgent: bool

    @property
    def subject(self) -> str:
        """The title, with the installation in front."""
        return f"[{self.installation}] {self.title}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Composer:
    """Makes messages. ``installation``: what people call it; ``namespace``: what it is called by machines."""

    installation: str
    namespace: UUID
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def message(self, recipient: str, notices: Sequence[Notice]) -> Message:
        """Return the one message about some notices of a recipient."""
        items = tuple(said(notice.event, self.now()) for notice in notices)
        return Message(
            id=self.id_of(recipient, notices),
            installation=self.installation,
            title=_cut(items[0].title) if len(items) == 1 else f"{len(items)} notices of the day",
            items=items[:MOST_IN_FULL],
            left_out=max(0, len(items) - MOST_IN_FULL),
            urgent=any(item.urgent for item in items),
        )

    def id_of(self, recipient: str, notices: Sequence[Notice]) -> UUID:
        """Return what a receiver knows a repeated message by."""
        return uuid5(self.namespace, "\n".join([recipient, *(notice.event.id for notice in notices)]))


def left_out_line(message: Message) -> str:
    """Return the line about those that are only counted, or nothing."""
    return f"… and {message.left_out} more: holdfast notices list" if message.left_out else ""


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_TITLE else f"{line[:_LONGEST_TITLE]}…"
