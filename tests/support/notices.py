"""Notices as the outbox gives them out."""

from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

from holdfast.domain.notices import Event, Notice, NoticeState, Topic
from holdfast.notify.messages import Composer

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
COMPOSER = Composer(installation="Holdfast in Kraków", namespace=UUID(int=1), now=lambda: NOW)

EXPIRING = Event(
    id="secret.expiring:1",
    topic=Topic.EXPIRING,
    subject="Stripe-Api-Key",
    facts={"version": "3", "expires_at": (NOW + timedelta(days=7)).isoformat(), "days": "7"},
)

_ids = count(1)


def notice(event: Event = EXPIRING, recipient: str = "ops@example.com", bundle: str | None = None) -> Notice:
    """A notice that was claimed once."""
    return Notice(
        id=next(_ids),
        event=event,
        recipient=recipient,
        bundle=bundle,
        state=NoticeState.WAITING,
        attempts=1,
        last_error=None,
        created_at=NOW,
        next_attempt_at=NOW,
        sent_at=None,
        fence=1,
    )
