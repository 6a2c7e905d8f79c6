"""Sends notices until they are taken: at least once each, and again only where a node died before noting it."""

import asyncio
import random
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from typing import Final

from holdfast.domain.notices import Notice
from holdfast.errors import Rejected, shown
from holdfast.ports import Channel, Clock, NoticeStore
from holdfast.resilience.events import Event, Log
from holdfast.resilience.outages import Outages
from holdfast.resilience.supervision import surviving
from holdfast.service.crashpoints import Crashpoint, no_crash

_log: Final = Log(__name__)

PATIENCE_S: Final = 30.0
"""How long one sending may take."""

MAX_ATTEMPTS: Final = 30
"""After so many, which takes about a day, a notice is dead until a person looks."""

NOTICE_CRASH_POINTS: Final = ("claimed", "sent", "noted")
"""In the order in which a notice passes them."""

_ROUNDS: Final = 4
"""How many messages one sender of a lane takes up at a time, one after the other."""

LEASE: Final = timedelta(seconds=(_ROUNDS + 1) * PATIENCE_S)
"""How long a node holds notices: longer than all that it took can take."""

_MAILS_AT_ONCE: Final = 5
_FIRST_PAUSE: Final = timedelta(seconds=30)
_LONGEST_PAUSE: Final = timedelta(hours=1)
_POLL_S: Final = 5.0


class Lane:
    """The way of some notices, on which none of another way can stand. Every node may run it.

    Args:
        channels: those whose notices go this way, by name.
        mail: what reaches e-mail addresses, if they go this way.
        senders: how many messages may be under way at a time. A chat takes them one by one, and in order.
    """

    def __init__(
        self,
        store: NoticeStore,
        clock: Clock,
        *,
        channels: Mapping[str, Channel],
        mail: Channel | None = None,
        senders: int = 1,
        crashpoint: Crashpoint = no_crash,
    ) -> None:
        self._store, self._clock, self._crashpoint = store, clock, crashpoint
        self._channels, self._mail, self._senders = dict(channels), mail, senders
        self._what = f"Sending notices by {', '.join(channels) or 'mail'}"
        self._outages = Outages(monotonic=clock.monotonic)

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            taken = 0
            with surviving(_log, "Sending notices"):
                taken = await self.deliver()
            if not taken:
                await self._clock.sleep(_POLL_S)

    async def deliver(self) -> int:
        """Send what is due, up to a limit; returns how many notices were taken up."""
        held = await self._store.claim(
            self._channels, mail=self._mail is not None, lease=LEASE, limit=_ROUNDS * self._senders
        )
        self._crashpoint("claimed")
        free = asyncio.Semaphore(self._senders)
        ends = await asyncio.gather(*(self._send(message, free) for message in _messages(held)), return_exceptions=True)
        for error in filter(None, ends):  # none is still being sent when the next round begins
            raise error
        return len(held)

    async def _send(self, message: Sequence[Notice], free: asyncio.Semaphore) -> None:
        recipient = message[0].recipient
        channel = self._channels.get(recipient) or self._mail
        assert channel is not None, "only what a channel here reaches is claimed"  # noqa: S101
        async with free:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await channel.send(recipient, message)
            except Exception as error:  # a channel that breaks must not keep the others from sending
                await self._failed(message, error)
                return
            self._outages.works(self._what, recipient)
            self._crashpoint("sent")
            await self._store.sent(message)
            self._crashpoint("noted")

    async def _failed(self, message: Sequence[Notice], error: Exception) -> None:
        text = told_as(error)
        attempts = max(notice.attempts for notice in message)
        for_good = isinstance(error, Rejected) or attempts >= MAX_ATTEMPTS
        ids = ", ".join(str(notice.id) for notice in message)
        _log(Event.NOTICE_GIVEN_UP if for_good else Event.NOTICE_LATER, ids=ids, reason=text)
        if for_good:
            self._outages.forget(self._what, message[0].recipient)
        else:
            self._outages.failed(self._what, text, message[0].recipient)
        await self._store.failed(message, text, None if for_good else pause_after(attempts))


def told_as(error: Exception) -> str:
    """Return what may be said of a failure: of one that is not ours its kind, as it may quote anything."""
    if isinstance(error, TimeoutError):
        return f"No answer within {PATIENCE_S:.0f} seconds."
    return shown(error)


def lanes(
    store: NoticeStore,
    clock: Clock,
    *,
    channels: Mapping[str, Channel],
    mail: Channel | None = None,
    crashpoint: Crashpoint = no_crash,
) -> dict[str, Lane]:
    """Return a lane for each channel, so that none waits for another, and one for all addresses."""
    made = {
        name: Lane(store, clock, channels={name: channel}, crashpoint=crashpoint) for name, channel in channels.items()
    }
    if mail is not None:
        made["mail"] = Lane(store, clock, channels={}, mail=mail, senders=_MAILS_AT_ONCE, crashpoint=crashpoint)
    return made


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many attempts: doubled each time up to an hour, up to half of it less at random."""
    longest = min(_FIRST_PAUSE * (1 << min(attempts, 16)), _LONGEST_PAUSE)
    return longest * random.uniform(0.5, 1)  # noqa: S311 - to spread attempts, not to keep a secret


def _messages(notices: Collection[Notice]) -> list[list[Notice]]:
    def apart(notice: Notice) -> tuple[str, str, int]:
        return notice.recipient, notice.bundle or "", 0 if notice.bundle else notice.id

    return [list(group) for _, group in groupby(sorted(notices, key=apart), apart)]
