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

    async def put(
        self,
        event: Event,
        recipients: Collection[str],
        *,
        bundle: str | None = None,
        not_before: datetime | None = None,
    ) -> int:
        """Store one notice for each recipient who has none of this event yet; returns how many those are.

        ``bundle``: what makes them one message with others of the same recipient. ``not_before``: when they are sent
        at the earliest; None: at once.
        """

    async def may_look(self, pause: timedelta) -> bool:
        """Whether it is this node's turn to look for events: no node has within ``pause``."""

    async def claim(self, channels: Collection[str], *, mail: bool, lease: timedelta, limit: int) -> list[Notice]:
        """Lease the notices of messages that are due, that nobody holds, and that these channels or, with ``mail``,
        addresses are to get.

        In the order in which they were stored; what only a newer node knows is left to it. ``attempts`` of each is one
        higher afterwards.
        """

    async def sent(self, notices: Collection[Notice]) -> None:
        """Note that notices were sent, whoever holds them by now."""

    async def failed(self, notices: Collection[Notice], error: str, retry_in: timedelta | None) -> int:
        """Give leases back for a later attempt, or, with None, for a person to see; returns how many were not lost."""

    async def notices(self, state: NoticeState | None = None, *, limit: int = 100) -> list[Notice]:
        """Return notices, newest first, in a state or all."""

    async def known(self, event_ids: Collection[str]) -> set[str]:
        """Return those of these events of which somebody was told or is to be told."""

    async def retry(self, notice_ids: Collection[int] | None = None) -> int:
        """Let dead notices wait again, these or all; returns how many."""

    async def discard(self, notice_ids: Collection[int] | None = None) -> int:
        """Give up these notices, or all dead ones; returns how many."""

    async def counts(self) -> Mapping[NoticeState, int]:
        """How many are waiting, and how many are dead."""

    async def give_up(self, age: timedelta) -> int:
        """Call those dead that are due for longer than that and no node has taken up; returns how many."""

    async def forget(self, age: timedelta) -> int:
        """Remove notices that were sent or given up longer ago than that; returns how many."""


class Channel(Protocol):
    """Takes notices to people."""

    async def send(self, recipient: str, notices: Sequence[Notice]) -> None:
        """Send one message about these notices, which have this one recipient.

        Raises:
            Rejected: it will never be taken.
            BackendUnavailable: it may be taken later.
        """
