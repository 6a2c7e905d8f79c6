"""The part of the facade that shows what people are told, and mends what did not reach them."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Final
from uuid import uuid4

from holdfast.domain.notices import Event, Notice, NoticeState, NoticeTest, PlannedNotice, Topic
from holdfast.domain.policy import Permission
from holdfast.domain.validation import MAX_GENERATION, valid_addresses, valid_days, valid_number
from holdfast.errors import Conflict, HoldfastError, InvalidInput
from holdfast.ports import Channel, Clock, NoticeStore
from holdfast.service.access.guard import WHOLE_VAULT, Guard
from holdfast.service.callers import Context, authenticated
from holdfast.service.notices.delivery import PATIENCE_S, told_as
from holdfast.service.notices.planning import Planner

MAX_NOTICES: Final = 1_000
"""Notices that one call names or returns."""


class Notices:
    """``service.notices``. Every method takes ``context``, as those of the service do.

    It takes the permission ``operate`` on '*', apart from ``preview``, which shows what the caller may list.

    Args:
        channels: by name. ``mail``: what reaches e-mail addresses; None if nothing here does.
    """

    def __init__(
        self,
        *,
        guard: Guard,
        store: NoticeStore,
        planner: Planner,
        clock: Clock,
        channels: Mapping[str, Channel],
        mail: Channel | None,
    ) -> None:
        self._guard, self._store, self._planner, self._clock = guard, store, planner, clock
        self._channels, self._mail = channels, mail

    async def search(self, *, state: str | None = None, limit: int = 100, context: Context = None) -> list[Notice]:
        """Return notices, newest first: all, or those that are waiting, sent, dead or discarded."""
        wanted, size = _valid_state(state), valid_number("limit", limit, 1, MAX_NOTICES)
        async with self._guard.operation(authenticated(context), Permission.OPERATE, WHOLE_VAULT, "notices"):
            return await self._store.notices(wanted, limit=size)

    async def preview(self, days: int = 30, *, context: Context = None) -> list[PlannedNotice]:
        """Return what will be told of expiries and rotations within some days, soonest first. Nothing is sent."""
        caller, ahead = authenticated(context), timedelta(days=valid_days(days))
        async with self._guard.listing(caller, "notices.preview"):
            upcoming = await self._planner.upcoming(self._clock.now(), ahead)
            return [each for name, each in upcoming if self._guard.may(caller, Permission.LIST, name)]

    async def retry(self, ids: Iterable[int] | None = None, *, context: Context = None) -> int:
        """Let dead notices be sent after all, these or every one; returns how many."""
        wanted = _valid_ids(ids)
        async with self._guard.operation(authenticated(context), Permission.OPERATE, WHOLE_VAULT, "notices.retry"):
            return await self._store.retry(wanted)

    async def discard(self, ids: Iterable[int] | None = None, *, context: Context = None) -> int:
        """Give up notices, these or every dead one, so that health is quiet about them; returns how many."""
        wanted = _valid_ids(ids)
        async with self._guard.operation(authenticated(context), Permission.OPERATE, WHOLE_VAULT, "notices.discard"):
            return await self._store.discard(wanted)

    async def test(self, recipient: str | None = None, *, context: Context = None) -> list[NoticeTest]:
        """Send a notice that says nothing, at once: to a channel or an address, or through every channel.

        Raises:
            Conflict: there is no such channel, or no way to send mail, or no channel at all.
        """
        async with self._guard.operation(
            authenticated(context), Permission.OPERATE, WHOLE_VAULT, "notices.test"
        ) as authorized:
            ways = self._ways(recipient)
            await self._guard.record(authorized)  # before anything is sent
            return [await self._tried(channel, name) for name, channel in ways.items()]

    def _ways(self, recipient: str | None) -> Mapping[str, Channel]:
        if recipient is None:
            if not self._channels:
                raise Conflict("No channel is set up here: set HOLDFAST_NOTICE_CHANNELS, or name an e-mail address.")
            return self._channels
        if "@" in recipient:
            if self._mail is None:
                raise Conflict("No mail can be sent from here: set HOLDFAST_SMTP_URL and HOLDFAST_MAIL_FROM.")
            return {valid_addresses([recipient])[0]: self._mail}
        if recipient not in self._channels:
            raise Conflict(f"There is no channel of this name here; there are: {', '.join(self._channels) or 'none'}.")
        return {recipient: self._channels[recipient]}

    async def _tried(self, channel: Channel, recipient: str) -> NoticeTest:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await channel.send(recipient, [_test_notice(recipient, self._clock.now())])
        except (HoldfastError, TimeoutError) as error:
            return NoticeTest(recipient=recipient, error=told_as(error))
        return NoticeTest(recipient=recipient, error=None)


def _test_notice(recipient: str, now: datetime) -> Notice:
    return Notice(
        id=0,
        event=Event(id=f"{Topic.TEST}:{uuid4()}", topic=Topic.TEST, subject="test"),
        recipient=recipient,
        bundle=None,
        state=NoticeState.WAITING,
        attempts=1,
        last_error=None,
        created_at=now,
        next_attempt_at=now,
        sent_at=None,
        fence=0,
    )


def _valid_state(raw: str | None) -> NoticeState | None:
    try:
        return None if raw is None else NoticeState(raw)
    except ValueError:
        raise InvalidInput(f"state must be one of {', '.join(NoticeState)}.", field="state") from None


def _valid_ids(raw: Iterable[int] | None) -> Collection[int] | None:
    if raw is None:
        return None
    ids = list(islice(raw, MAX_NOTICES + 1))
    if not 1 <= len(ids) <= MAX_NOTICES:
        raise InvalidInput(f"ids must name 1 to {MAX_NOTICES} notices; leave it out for all.", field="ids")
    return [valid_number("ids", each, 1, MAX_GENERATION) for each in ids]
