"""What people will be told, when, and who: as the watch will see it, if nothing changes until then."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta

from holdfast.domain.names import SecretName
from holdfast.domain.notices import FIRST_REMINDER, NEWS_FOR, Event, Planned, PlannedNotice, expiry_plan, reached
from holdfast.domain.secret import State
from holdfast.ports import Ledger, NoticeStore, RotationSchedule, RotationStore
from holdfast.service.notices.announcing import Announcer, next_digest
from holdfast.service.notices.events import soon

_MANY = 1000

Upcoming = tuple[SecretName, Planned, Sequence[str]]
"""Of which secret what is told when, and the addresses of that secret."""


class Planner:
    """Looks ahead; nothing is stored or sent by it."""

    def __init__(self, store: NoticeStore, announcer: Announcer, ledger: Ledger, rotations: RotationStore) -> None:
        self._store, self._announcer, self._ledger, self._rotations = store, announcer, ledger, rotations

    async def upcoming(self, now: datetime, ahead: timedelta) -> list[tuple[SecretName, PlannedNotice]]:
        """Return what will be told within some time, soonest first, each with the secret that it is about."""
        found = [*await self._expiries(now, ahead), *await self._rotations_soon(now, ahead)]
        known = await self._store.known([planned.event.id for _, planned, _ in found])
        news = ((name, planned, addresses) for name, planned, addresses in found if planned.event.id not in known)
        told = [
            (name, notice)
            for name, planned, addresses in news
            for notice in self._told(planned.event, addresses, max(now, planned.at))
        ]
        return sorted(told, key=lambda each: (each[1].at, each[0]))

    async def _expiries(self, now: datetime, ahead: timedelta) -> list[Upcoming]:
        until = now + ahead
        return [
            (summary.name, planned, summary.settings.notify_on_expiry)
            for summary in await self._ledger.reminding(until, first=FIRST_REMINDER, news_for=NEWS_FOR + ahead)
            for planned in _open(expiry_plan(summary), now, until)
        ]

    async def _rotations_soon(self, now: datetime, ahead: timedelta) -> list[Upcoming]:
        schedules = await self._rotations.soon(limit=_MANY, ahead=ahead)
        heads = await self._ledger.heads([schedule.name for schedule in schedules])
        return [
            (schedule.name, Planned(at=_told_at(schedule, now), event=soon(schedule)), head.settings.notify_on_expiry)
            for schedule in schedules
            if (head := heads.get(schedule.name)) is not None and head.state is State.ACTIVE
        ]

    def _told(self, event: Event, addresses: Collection[str], at: datetime) -> Iterator[PlannedNotice]:
        recipients = self._announcer.recipients(event, addresses)
        later = {each for each in recipients if self._announcer.in_digest(event, each)}
        for moment, told in ((at, recipients - later), (next_digest(at), later)):
            if told:
                yield PlannedNotice(at=moment, topic=event.topic, subject=event.subject, recipients=tuple(sorted(told)))


def _open(plan: Sequence[Planned], now: datetime, until: datetime) -> list[Planned]:
    """The steps to come, and before them the one that has come last, should nobody have looked since."""
    due = reached(plan, now)
    return [each for each in plan if now < each.at <= until or each.event is due]


def _told_at(schedule: RotationSchedule, now: datetime) -> datetime:
    return max(now, schedule.next_rotation_at - timedelta(days=schedule.policy.notify_days_before))
