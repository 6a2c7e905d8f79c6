"""Notices for programs: facts rather than words, as Standard Webhooks has them."""

from collections.abc import Sequence
from typing import Any

from holdfast.domain.notices import Notice
from holdfast.notify.messages import Composer
from holdfast.notify.wording import said


def document(composer: Composer, recipient: str, notices: Sequence[Notice]) -> dict[str, Any]:
    """One notice, or a digest of several. ``id`` of each is the same whenever and to whomever it is told."""
    several = [_notice(composer, notice) for notice in notices]
    if len(several) == 1:
        return {"type": notices[0].event.topic, "timestamp": notices[0].created_at.isoformat(), "data": several[0]}
    last = max(notice.created_at for notice in notices)
    return {"type": "digest", "timestamp": last.isoformat(), "data": {"notices": several}}


def _notice(composer: Composer, notice: Notice) -> dict[str, Any]:
    event = notice.event
    return {
        "id": composer.id_of("", [notice]).hex,
        "installation": composer.installation,
        "topic": event.topic,
        "subject": event.subject,
        "title": said(event, composer.now()).title,
        "facts": dict(event.facts),
    }
