"""Notices on a node: what people are told, and what takes it to them."""

from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.ports import Channel, Clock, NoticeStore, Notifier
from holdfast.service.notices.announcing import Announcer
from holdfast.service.notices.delivery import Delivery
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.notices import PostgresNotices


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeParts:
    """What tells people. ``notifier`` is for whoever has something to tell."""

    store: NoticeStore
    notifier: Notifier
    delivery: Delivery
    reaches_anybody: bool

    def background(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What has to go on beside serving: nothing where nobody can be reached."""
        return {"notices": self.delivery.run()} if self.reaches_anybody else {}


def open_notices(
    database: Database, clock: Clock, *, channels: Mapping[str, Channel] | None = None, mail: Channel | None = None
) -> NoticeParts:
    """Return the notices of a node, with nothing begun."""
    store, channels = PostgresNotices(database), channels or {}
    return NoticeParts(
        store=store,
        notifier=Announcer(store, clock, channels=channels, mail=mail is not None),
        delivery=Delivery(store, clock, channels=channels, mail=mail),
        reaches_anybody=bool(channels or mail),
    )
