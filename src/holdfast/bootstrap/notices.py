"""Notices on a node: what people are told, and what takes it to them."""

from collections.abc import Collection, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.ports import Channel, Clock, NoticeStore
from holdfast.service.notices.announcing import Announcer
from holdfast.service.notices.delivery import Lane, lanes
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.notices import PostgresNotices


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeParts:
    """What tells people. ``notifier`` is for whoever has something to tell."""

    store: NoticeStore
    notifier: Announcer
    channels: Mapping[str, Channel]
    mail: Channel | None
    lanes: Mapping[str, Lane]

    def background(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What has to go on beside serving: nothing where nobody can be reached."""
        return {f"notices: {name}": lane.run() for name, lane in self.lanes.items()}


def open_notices(
    database: Database,
    clock: Clock,
    *,
    channels: Mapping[str, Channel] | None = None,
    topics: Mapping[str, Collection[str]] | None = None,
    mail: Channel | None = None,
    digests: Collection[str] = (),
) -> NoticeParts:
    """Return the notices of a node, with nothing begun."""
    store, channels = PostgresNotices(database), channels or {}
    return NoticeParts(
        store=store,
        notifier=Announcer(store, clock, channels=topics, mail=mail is not None, digests=digests),
        channels=channels,
        mail=mail,
        lanes=lanes(store, clock, channels=channels, mail=mail),
    )
