"""Notices: where they wait, and what takes them to people."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from holdfast.domain.notices import Event, Notice, NoticeState


class Notifier(Protocol):
    """Tells people of an event."""

    async def announce(self, event: Event, addresses: Collection[str] = ()) -> None:
        """Have each of these addresses told once, and every channel that hears of it. Returns when that is durable.

        The same ``event.id`` again tells nobody a second time. Nothing secret may be in an event.
        """

    def recipients(self, event: Event, addresses: Collection[str] = ()) -> Collection[str]:
        """Return whom that would tell: for ``put_notices``, which stores notices with the change that they tell of."""


class NoticeStore(Protocol):
    """The outbox at the commit point. Leases and due times are judged by the database's clock."""

    async def put(self, event: Event, recipients: Collection[str], not_before: datetime | None = None) -> int:
        """Store one notice for each recipient who has none of this event yet; returns how many those are.

        ``not_before``: when they are sent at the earliest; None: at once.
        """

    async def may_look(self, pause: timedelta) -> bool:
        """Whether it is this node's turn to look for events: no node has within ``pause``."""

    async def claim(self, channels: Collection[str], *, mail: bool, lease: timedelta, limit: int) -> list[Notice]:
        """Lease notices that are due, nobody holds, and these channels or, with ``mail``, addresses are to get.

        In the order in which they were stored. ``attempts`` of each is one higher afterwards.
        """

    async def sent(self, notice_id: int) -> None:
        """Note that a notice was sent, whoever holds it by now."""

    async def failed(self, notice: Notice, error: str, retry_in: timedelta | None) -> bool:
        """Give the lease back for a later attempt, or, with None, for a person to see; False if it was lost."""

    async def notices(self, state: NoticeState | None = None, *, limit: int = 100) -> list[Notice]:
        """Return notices, newest first, in a state or all."""

    async def retry(self, notice_ids: Collection[int] | None = None) -> int:
        """Let dead notices wait again, these or all; returns how many."""

    async def counts(self) -> Mapping[NoticeState, int]:
        """How many are waiting, and how many are dead."""

    async def forget(self, age: timedelta) -> int:
        """Remove notices that were sent longer ago than that; returns how many."""


class Channel(Protocol):
    """Takes notices to people."""

    async def send(self, recipient: str, notices: Sequence[Notice]) -> None:
        """Send one message about these notices, which have this one recipient.

        Raises:
            Rejected: it will never be taken.
            BackendUnavailable: it may be taken later.
        """
