"""Notices on a node: what people are told, and what takes it to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from holdfast.bootstrap.channels import Channels, open_channels
from holdfast.config import Settings
from holdfast.ports import Clock, NoticeStore
from holdfast.resilience.supervision import Work
from holdfast.service.access.guard import Guard
from holdfast.service.notices.announcing import Announcer
from holdfast.service.notices.delivery import Lane, lanes
from holdfast.service.notices.notices import NoticeCases
from holdfast.service.notices.planning import Planner
from holdfast.service.notices.watching import Watch, Watched
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.notices import PostgresNotices


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeParts:
    """What tells people. ``notifier`` is for whoever has something to tell."""

    store: NoticeStore
    notifier: Announcer
    channels: Channels
    lanes: Mapping[str, Lane]
    clock: Clock

    def background(self, watched: Watched) -> dict[str, Work]:
        """What has to go on beside serving: nothing where nobody can be reached."""
        if not self.lanes:
            return {}
        sending = {f"notices: {name}": lane.run for name, lane in self.lanes.items()}
        return {"notices": self.watch(watched).run, **sending}

    def cases(self, guard: Guard, watched: Watched) -> NoticeCases:
        """Return the use cases."""
        planner = Planner(self.store, self.notifier, watched.ledger, watched.rotations)
        return NoticeCases(
            guard=guard,
            store=self.store,
            planner=planner,
            clock=self.clock,
            channels=self.channels.named,
            mail=self.channels.mail,
        )

    def watch(self, watched: Watched, clock: Clock | None = None) -> Watch:
        """Return what looks for events."""
        return Watch(self.store, self.notifier, clock or self.clock, watched)


def open_notices(settings: Settings, database: Database, clock: Clock, installation: UUID) -> NoticeParts:
    """Return the notices of a node, with nothing begun.

    Raises:
        ConfigurationError: a channel cannot be one.
    """
    store, channels = PostgresNotices(database), open_channels(settings, installation)
    notifier = Announcer(
        store, clock, channels=channels.topics, mail=channels.mail is not None, digests=channels.digests
    )
    ways = lanes(store, clock, channels=channels.named, mail=channels.mail)
    return NoticeParts(store=store, notifier=notifier, channels=channels, lanes=ways, clock=clock)
