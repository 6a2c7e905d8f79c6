"""Who is told of an event, and when."""

from collections.abc import Collection
from datetime import datetime, time, timedelta
from typing import Final

from holdfast.domain.notices import URGENT, Event
from holdfast.ports import Clock, NoticeStore

DIGEST_AT: Final = time(8)
"""The time of day, in UTC, at which those who asked for a digest get it."""


class Announcer:
    """Implements ``ports.Notifier``.

    Args:
        channels: the names of those that are told of everything.
        mail: whether there is a way to send mail; without one, addresses are left out rather than kept waiting.
        digests: recipients who get what is not urgent once a day.
    """

    def __init__(
        self,
        store: NoticeStore,
        clock: Clock,
        *,
        channels: Collection[str] = (),
        mail: bool = False,
        digests: Collection[str] = (),
    ) -> None:
        self._store, self._clock = store, clock
        self._channels, self._mail, self._digests = tuple(channels), mail, frozenset(digests)

    async def announce(self, event: Event, addresses: Collection[str] = ()) -> None:
        """See the port."""
        told = self.recipients(event, addresses)
        later = told & self._digests if event.topic not in URGENT else set()
        if told - later:
            await self._store.put(event, told - later)
        if later:
            await self._store.put(event, later, next_digest(self._clock.now()))

    def recipients(self, event: Event, addresses: Collection[str] = ()) -> set[str]:
        """See the port. An address is one recipient however its domain is written."""
        mailed = map(_one_form, addresses) if self._mail else ()
        return {*self._channels, *mailed}


def next_digest(now: datetime) -> datetime:
    """Return the next moment at which digests are sent."""
    today = datetime.combine(now.date(), DIGEST_AT, now.tzinfo)
    return today if now <= today else today + timedelta(days=1)


def _one_form(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"
