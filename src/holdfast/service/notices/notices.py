"""What is done with notices on request: shown, sent after all, given up, tried."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import uuid4

from holdfast.contract.notices import PreviewNotices, SearchNotices, TestNotice, WhichNotices
from holdfast.domain.notices import Event, Notice, NoticeState, NoticeTest, PlannedNotice, Topic
from holdfast.domain.policy import Permission
from holdfast.errors import Conflict, HoldfastError
from holdfast.ports import Channel, Clock, NoticeStore
from holdfast.service.access.guard import Authorized, Guard
from holdfast.service.notices.delivery import PATIENCE_S, told_as
from holdfast.service.notices.planning import Planner


class NoticeCases:
    """The use cases of notices.

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

    async def search(self, _: Authorized, asked: SearchNotices) -> list[Notice]:
        """Return notices, newest first."""
        return await self._store.notices(asked.state, limit=asked.limit)

    async def preview(self, authorized: Authorized, asked: PreviewNotices) -> list[PlannedNotice]:
        """Return what will be told of the secrets that the caller may list, soonest first."""
        upcoming = await self._planner.upcoming(self._clock.now(), timedelta(days=asked.days))
        return [each for name, each in upcoming if self._guard.may(authorized.caller, Permission.LIST, name)]

    async def retry(self, _: Authorized, asked: WhichNotices) -> int:
        """Let dead notices wait again."""
        return await self._store.retry(asked.ids)

    async def discard(self, _: Authorized, asked: WhichNotices) -> int:
        """Give up notices."""
        return await self._store.discard(asked.ids)

    async def test(self, authorized: Authorized, asked: TestNotice) -> list[NoticeTest]:
        """Send a notice that says nothing, once that is on record.

        Raises:
            Conflict: there is no such channel, or no way to send mail, or no channel at all.
        """
        ways = self._ways(asked.recipient)
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
            return {recipient: self._mail}
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
