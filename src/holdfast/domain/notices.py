"""What people are told of, and when: events, the ladder of reminders before something is due, notices of one to each.

An event has the same id wherever and however often it is seen, so that many nodes that look many times tell each
recipient once. Nothing in an event may be secret: it leaves for mail servers and chats of others.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from holdfast.domain.moments import Moment
from holdfast.domain.secret import SecretSummary

REMINDERS: Final = (14, 7, 1)
"""Days before an expiry on which people are reminded, after the first reminder; the last comes with the expiry."""

FIRST_REMINDER: Final = 14
"""Days before an expiry of the first reminder for a secret without a rotation policy; the policy's default as well."""

NAGGING: Final = (1, 7, 30)
"""Days after which people are told again of what should have been done."""


NEWS_FOR: Final = timedelta(days=30)
"""How long after an expiry people are told of it, should nobody have looked until then."""


class Topic(enum.StrEnum):
    """What an event is about."""

    EXPIRING = "secret.expiring"
    EXPIRED = "secret.expired"
    ROTATION_SOON = "rotation.soon"
    ROTATION_APPROVAL = "rotation.approval"
    ROTATION_OVERDUE = "rotation.overdue"
    ROTATION_FAILED = "rotation.failed"
    ROTATION_LAGGARDS = "rotation.laggards"
    GRANT_EXPIRING = "grant.expiring"
    BREAK_GLASS = "break_glass"
    INTENT_PARKED = "intent.parked"
    KEPT_OUT = "mirror.kept_out"
    BACKEND_DOWN = "backend.down"
    AUDIT_DEGRADED = "audit.degraded"
    AUDIT_ALARM = "audit.alarm"
    INTEGRITY = "integrity"
    KEYS = "keys"
    TEST = "test"


URGENT: Final = frozenset(
    {
        Topic.BREAK_GLASS,
        Topic.BACKEND_DOWN,
        Topic.AUDIT_DEGRADED,
        Topic.AUDIT_ALARM,
        Topic.INTEGRITY,
        Topic.KEYS,
        Topic.TEST,
    }
)
"""Told at once, also to those who asked for a digest."""


MAX_NOTICES: Final = 1_000
"""Notices that one request names or gets."""


class NoticeState(enum.StrEnum):
    """Waiting ones are sent as they come due; dead ones wait for a person, who may discard them."""

    WAITING = "waiting"
    SENT = "sent"
    DEAD = "dead"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something to tell, and nothing of it secret. ``id``: the same wherever and however often it is seen.

    ``subject``: the secret or backend it is about. ``facts``: what the text is made of; ``summary`` is the headline
    where one is given, and what no template knows is shown under its name, with ``_`` as a space.
    """

    id: str
    topic: Topic
    subject: str
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One event for one recipient: an e-mail address, or the name of a channel, which has no ``@``.

    Notices of one ``bundle`` are one message to their recipient. ``attempts`` counts sendings begun;
    ``fence`` is the number of the lease while one is held.
    """

    id: int
    event: Event
    recipient: str
    bundle: str | None
    state: NoticeState
    attempts: int
    last_error: str | None
    created_at: Moment
    next_attempt_at: Moment
    sent_at: Moment | None
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """An event and the moment from which on it is told."""

    at: datetime
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedNotice:
    """What some recipients will be told, and when: their notices are not stored yet."""

    at: Moment
    topic: Topic
    subject: str
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeTest:
    """Whether a channel or an address takes notices. ``error``: why not."""

    recipient: str
    error: str | None


def expiry_plan(summary: SecretSummary) -> Sequence[Planned]:
    """Return what is told of the expiry of a secret's current version, in the order of time; empty if it has none."""
    version = summary.current
    if version.expires_at is None:
        return ()
    policy = summary.settings.rotation_policy
    first = policy.notify_days_before if policy is not None else FIRST_REMINDER
    return [_planned(summary, version.expires_at, days) for days in ladder(first)]


def ladder(first: int) -> list[int]:
    """Return the days before an expiry on which people are told, most first; the last is 0, the expiry itself."""
    return sorted({first, 0, *(days for days in REMINDERS if days < first)}, reverse=True)


def reached(plan: Sequence[Planned], now: datetime) -> Event | None:
    """Return the last event of a plan whose moment has come: whoever slept through others is told of this one only."""
    return next((planned.event for planned in reversed(plan) if planned.at <= now), None)


def nagging(since: datetime, now: datetime) -> int | None:
    """Return the last step of ``NAGGING`` that has passed since a moment, or None."""
    return next((days for days in reversed(NAGGING) if now - since >= timedelta(days=days)), None)


def _planned(summary: SecretSummary, expires_at: datetime, days: int) -> Planned:
    version, moment = summary.current, expires_at.isoformat()
    topic = Topic.EXPIRING if days else Topic.EXPIRED
    event = Event(
        id=f"{topic}:{version.version_id}:{moment}:{days}",
        topic=topic,
        subject=summary.display_name,
        facts={"version": str(version.version), "expires_at": moment, "days": str(days)},
    )
    return Planned(at=_days_before(expires_at, days), event=event)


def _days_before(moment: datetime, days: int) -> datetime:
    try:
        return moment - timedelta(days=days)
    except OverflowError:  # before the year 1: that moment has passed
        return moment.min.replace(tzinfo=moment.tzinfo)
