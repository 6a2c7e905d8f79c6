"""Who is told of an event, and when."""

from collections.abc import Collection, Mapping
from datetime import datetime, time, timedelta
from fnmatch import fnmatchcase
from typing import Final

from holdfast.domain.notices import URGENT, Event
from holdfast.ports import Clock, NoticeStore

DIGEST_AT: Final = time(8)
"""The time of day, in UTC, at which those who asked for a digest get it."""

EVERYTHING: Final = ("*",)
"""What a channel hears of unless it is told otherwise."""


class Announcer:
    """Implements ``ports.Notifier``.

    Args:
        channels: by name, globs over the topics that each hears of; ``urgent`` stands for all that are.
        mail: whether there is a way to send mail; without one, addresses are left out rather than kept waiting.
        digests: channels and addresses that get what is not urgent once a day; ``*``: all of them.
    """

    def __init__(
        self,
        store: NoticeStore,
        clock: Clock,
        *,
        channels: Mapping[str, Collection[str]] | None = None,
        mail: bool = False,
        digests: Collection[str] = (),
    ) -> None:
        self._store, self._clock = store, clock
        self._channels, self._mail, self._digests = dict(channels or {}), mail, frozenset(map(one_form, digests))

    async def announce(self, event: Event, addresses: Collection[str] = ()) -> None:
        """See the port."""
        told = self.recipients(event, addresses)
        later = {each for each in told if self.in_digest(event, each)}
        if told - later:
            await self._store.put(event, told - later)
        if later:
            at = next_digest(self._clock.now())
            await self._store.put(event, later, bundle=at.date().isoformat(), not_before=at)

    def recipients(self, event: Event, addresses: Collection[str] = ()) -> set[str]:
        """See the port. An address is one recipient however its domain is written."""
        mailed = map(one_form, addresses) if self._mail else ()
        return {*(name for name, topics in self._channels.items() if _hears(topics, event)), *mailed}

    def in_digest(self, event: Event, recipient: str) -> bool:
        """Whether a recipient is told of an event in the digest of the day."""
        return event.topic not in URGENT and bool({recipient, "*"} & self._digests)


def next_digest(now: datetime) -> datetime:
    """Return the next moment at which digests are sent."""
    today = datetime.combine(now.date(), DIGEST_AT, now.tzinfo)
    return today if now <= today else today + timedelta(days=1)


def one_form(recipient: str) -> str:
    """Return a recipient as it is stored: the domain of an address in lower case."""
    local, at, domain = recipient.rpartition("@")
    return f"{local}@{domain.lower()}" if at else recipient


def _hears(topics: Collection[str], event: Event) -> bool:
    return any(fnmatchcase(event.topic, each) or (each == "urgent" and event.topic in URGENT) for each in topics)
