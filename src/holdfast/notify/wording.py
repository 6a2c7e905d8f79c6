"""What is said of an event, in words: the same in every channel."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from holdfast.domain.notices import URGENT, Event, Topic


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One event in words. ``facts``: labels with what they say; ``commands``: what to type to do as advised."""

    title: str
    facts: tuple[tuple[str, str], ...]
    advice: str
    commands: tuple[str, ...]
    urgent: bool


_BACKENDS: Final = {"keyvault": "Key Vault", "redis": "Redis", "postgresql": "PostgreSQL", "audit": "The audit trail"}

_TITLES: Final[Mapping[Topic, str]] = {
    Topic.EXPIRING: "{subject} expires {in_time}",
    Topic.EXPIRED: "{subject} has expired",
    Topic.ROTATION_SOON: "{subject} is to be rotated {in_time}",
    Topic.ROTATION_APPROVAL: "The rotation of {subject} waits for approval",
    Topic.ROTATION_OVERDUE: "The rotation of {subject} is {days} overdue",
    Topic.ROTATION_FAILED: "The rotation of {subject} fails",
    Topic.ROTATION_LAGGARDS: "Not all consumers of {subject} use its new version",
    Topic.GRANT_EXPIRING: "The access of {who} to {subject} ends {in_time}",
    Topic.BREAK_GLASS: "Emergency access to {subject}",
    Topic.INTENT_PARKED: "Key Vault refuses a change of {subject}",
    Topic.KEPT_OUT: "Names in Key Vault cannot be mirrored",
    Topic.BACKEND_DOWN: "{backend} is down",
    Topic.AUDIT_DEGRADED: "Audit records go to the local log only",
    Topic.AUDIT_ALARM: "The audit trail needs a look",
    Topic.INTEGRITY: "The database holds what Holdfast did not write",
    Topic.KEYS: "The keys need a look",
    Topic.TEST: "Notices reach you here",
}

_ADVICE: Final[Mapping[Topic, tuple[str, ...]]] = {
    Topic.EXPIRING: ("Set a new version, or rotate it:", "holdfast set {subject}", "holdfast rotate {subject}"),
    Topic.EXPIRED: ("Set a new version, or delete it if nobody needs it:", "holdfast set {subject}"),
    Topic.ROTATION_SOON: ("To see how it will be done:", "holdfast rotation show {subject}"),
    Topic.ROTATION_APPROVAL: ("To let it go ahead:", "holdfast rotation approve {subject}"),
    Topic.ROTATION_OVERDUE: ("To see what keeps it:", "holdfast rotation show {subject}"),
    Topic.ROTATION_FAILED: (
        "Both credentials are kept, and it is tried again. To see why it fails:",
        "holdfast rotation show {subject}",
    ),
    Topic.ROTATION_LAGGARDS: (
        "The old credential is kept until they do. Restart them, or revoke it all the same:",
        "holdfast rotation retire {subject}",
    ),
    Topic.GRANT_EXPIRING: ("To see it, and grant it anew if it is still needed:", "holdfast grants"),
    Topic.BREAK_GLASS: (
        "Every use of it is on record. To see why, and to decide:",
        "holdfast break-glass show {request}",
    ),
    Topic.INTENT_PARKED: ("The mirror serves it. To see why, and what can be done:", "holdfast reconcile"),
    Topic.KEPT_OUT: ("In an outage they are served as last seen, or not at all. To see why:", "holdfast reconcile"),
    Topic.BACKEND_DOWN: ("To see how the installation is:", "holdfast status"),
    Topic.AUDIT_DEGRADED: ("Bring PostgreSQL back, and keep the data folder:", "holdfast status"),
    Topic.AUDIT_ALARM: ("To see what fails:", "holdfast audit stream", "holdfast doctor"),
    Topic.INTEGRITY: ("It is not used. The logs of the nodes name it; find out who wrote it, and restore a backup.",),
    Topic.KEYS: ("To see the keys, and where they are:", "holdfast keys status"),
    Topic.TEST: ("Somebody asked for this test. There is nothing to do.",),
}

_LABELS: Final = {"expires_at": "Expires", "due": "Due", "since": "Since", "number": "Number"}

_HIDDEN: Final = frozenset({"summary", "days", "run"})

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def said(event: Event, now: datetime) -> Said:
    """Return an event in words, as they are true at a moment."""
    until = moment_of(event.facts.get("expires_at", "") or event.facts.get("due", ""))
    words = {
        "subject": event.subject,
        "backend": _BACKENDS.get(event.subject, event.subject),
        "request": event.facts.get("request", ""),
        "who": event.facts.get("who", ""),
        "days": _days(event.facts.get("days", "")),
        "in_time": in_time(until, now) if until else "soon",
    }
    advice, *commands = _ADVICE[event.topic]
    return Said(
        title=event.facts.get("summary") or _TITLES[event.topic].format_map(words),
        facts=tuple((_label(key), _shown(value)) for key, value in event.facts.items() if key not in _HIDDEN),
        advice=advice,
        commands=tuple(command.format_map(words) for command in commands),
        urgent=event.topic in URGENT,
    )


def in_time(moment: datetime, now: datetime) -> str:
    """Return how far off a moment is, as one says it."""
    left = moment - now
    if left <= timedelta():
        return "now"
    if left < timedelta(hours=2):
        return "within two hours"
    if left < timedelta(days=2):
        return f"in {left // timedelta(hours=1)} hours"
    return f"in {round(left / timedelta(days=1))} days"


def moment_of(text: str) -> datetime | None:
    """Return the moment that a fact is, if it is one."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None


def dated(moment: datetime) -> str:
    """Return a moment as people read it, in UTC."""
    moment = moment.astimezone(UTC)
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}, {moment:%H:%M} UTC"


def _days(text: str) -> str:
    return {"": "", "1": "a day"}.get(text, f"{text} days")


def _label(key: str) -> str:
    return _LABELS.get(key) or key.replace("_", " ").capitalize()


def _shown(value: str) -> str:
    moment = moment_of(value) if "T" in value else None
    return dated(moment) if moment else value
