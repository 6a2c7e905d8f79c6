"""Sends notices until they are taken: at least once each, and again only where a node died before noting it."""

import asyncio
import logging
import random
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from typing import Final

from holdfast.domain.notices import URGENT, Notice
from holdfast.errors import HoldfastError, Rejected
from holdfast.ports import Channel, Clock, NoticeStore
from holdfast.service.crashpoints import Crashpoint, no_crash

_log: Final = logging.getLogger(__name__)

PATIENCE_S: Final = 30.0
"""How long one sending may take."""

LEASE: Final = timedelta(seconds=4 * PATIENCE_S)
"""How long a node holds notices; all that it took are sent at the same time."""

MAX_ATTEMPTS: Final = 30
"""After so many, which takes about a day, a notice is dead until a person looks."""

NOTICE_CRASH_POINTS: Final = ("claimed", "sent", "noted")
"""In the order in which a notice passes them."""

_AT_ONCE: Final = 20
_FIRST_PAUSE: Final = timedelta(seconds=30)
_LONGEST_PAUSE: Final = timedelta(hours=1)
_POLL_S: Final = 5.0


class Delivery:
    """Every node may run it.

    Args:
        channels: by name.
        mail: what reaches e-mail addresses; None if nothing here does.
        digests: recipients who get all that is due and not urgent in one message.
    """

    def __init__(
        self,
        store: NoticeStore,
        clock: Clock,
        *,
        channels: Mapping[str, Channel],
        mail: Channel | None = None,
        digests: Collection[str] = (),
        crashpoint: Crashpoint = no_crash,
    ) -> None:
        self._store, self._clock, self._crashpoint = store, clock, crashpoint
        self._channels, self._mail, self._digests = dict(channels), mail, frozenset(digests)

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            try:
                taken = await self.deliver()
            except HoldfastError as error:
                _log.info("Notices wait: %s", error)
                taken = 0
            if not taken:
                await self._clock.sleep(_POLL_S)

    async def deliver(self) -> int:
        """Send what is due, up to a limit; returns how many notices were taken up."""
        held = await self._store.claim(self._channels, mail=self._mail is not None, lease=LEASE, limit=_AT_ONCE)
        self._crashpoint("claimed")
        await asyncio.gather(*(self._send(message) for message in self._messages(held)))
        return len(held)

    def _messages(self, notices: Sequence[Notice]) -> list[list[Notice]]:
        def apart(notice: Notice) -> tuple[str, int]:
            together = notice.recipient in self._digests and notice.event.topic not in URGENT
            return notice.recipient, 0 if together else notice.id

        return [list(group) for _, group in groupby(sorted(notices, key=apart), apart)]

    async def _send(self, message: Sequence[Notice]) -> None:
        recipient = message[0].recipient
        channel = self._channels.get(recipient) or self._mail
        assert channel is not None, "only what a channel here reaches is claimed"  # noqa: S101
        try:
            async with asyncio.timeout(PATIENCE_S):
                await channel.send(recipient, message)
        except Exception as error:  # a channel that breaks must not keep the others from sending
            await self._failed(message, error)
            return
        self._crashpoint("sent")
        for notice in message:
            await self._store.sent(notice.id)
        self._crashpoint("noted")

    async def _failed(self, message: Sequence[Notice], error: Exception) -> None:
        text = str(error) if isinstance(error, HoldfastError) else type(error).__name__
        for notice in message:
            for_good = isinstance(error, Rejected) or notice.attempts >= MAX_ATTEMPTS
            _log.warning("Notice %d was not sent (%s)%s", notice.id, text, ", and is given up" if for_good else "")
            await self._store.failed(notice, text, None if for_good else pause_after(notice.attempts))


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many attempts: doubled each time up to an hour, up to half of it less at random."""
    longest = min(_FIRST_PAUSE * (1 << min(attempts, 16)), _LONGEST_PAUSE)
    return longest * random.uniform(0.5, 1)  # noqa: S311 - to spread attempts, not to keep a secret
