"""What this node keeps of secrets: its memory (L1), the Redis it shares with others, and how far it has answered."""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from msgspec.structs import replace

from holdfast.domain.names import SecretName
from holdfast.domain.secret import Source
from holdfast.ports import Cache, CacheEntry, Clock, Sealer
from holdfast.service.secrets.content import Content, seal, unseal
from holdfast.service.secrets.marks import NONE, Marks
from holdfast.service.secrets.mirror import Mirrored

_TO_COMPARE: Final = 0
"""The era of entries that are answered only once PostgreSQL has confirmed their revision, or while it is away."""


class Asked(NamedTuple):
    """When PostgreSQL was asked: in which era, and what had been announced of the name by then."""

    era: int = _TO_COMPARE
    heard: int = 0


class Tiers:
    """L1, Redis and the marks. Both caches hold sealed bytes.

    An entry of L1 carries the era it was compared with PostgreSQL in. Each loss of the feed ends an era: nothing is
    forgotten then, and everything is to be compared. ``timeline`` names the history that the database is on.

    Args:
        ttl: how long an entry is fresh. lease: the longest that one may serve without PostgreSQL.
    """

    def __init__(
        self, local: Cache, shared: Cache | None, sealer: Sealer, clock: Clock, *, ttl: timedelta, lease: timedelta
    ) -> None:
        self._local, self._shared, self._sealer, self._clock = local, shared, sealer, clock
        self.ttl, self._life = ttl, max(ttl, lease)
        self.marks = Marks()
        self.era = 1
        self.timeline = ""

    def distrust(self) -> None:
        """Changes may have been missed: whatever is kept is to be compared before it is answered again."""
        self.era += 1

    async def knows(self, name: SecretName) -> bool:
        """Whether anything of the name is remembered on this node."""
        return self.marks.of(name) is not NONE or await self._local.get(name) is not None

    def asking(self, name: SecretName) -> Asked:
        """To be called before PostgreSQL is asked about a name."""
        return Asked(self.era, self.marks.of(name).heard)

    async def trusted(self, name: SecretName) -> Content | None:
        """What L1 has and was compared in this era, while the feed lives: the hot path of a read."""
        entry = await self._local.get(name)
        if entry is None or entry.era != self.era:
            return None
        return unseal(self._sealer, name, entry)

    async def matching(self, found: Mirrored, asked: Asked) -> tuple[Content, Source] | None:
        """A fresh entry of L1 or Redis that is of exactly this state."""
        head = found[0]
        for cache, source in ((self._local, Source.CACHE), (self._shared, Source.REDIS)):
            entry = await cache.get(head.name) if cache is not None else None
            if entry is None or entry.revision != head.revision:
                continue
            content = unseal(self._sealer, head.name, entry)
            if content is not None and self.is_fresh(content) and _is_of(content, found):
                if not self.marks.answered(head.name, head.revision, content, heard_before=asked.heard):
                    return None
                await self._local.put(head.name, _of_era(entry, asked.era), self._life)
                return content, source
        return None

    async def remembered(self, name: SecretName) -> tuple[Content, Source] | None:
        """What may be answered though PostgreSQL cannot be asked: nothing older than was answered or announced here.

        Of Redis only what is fresh, and of this timeline: no one says how long something has been there.
        """
        mark = self.marks.of(name)
        if mark.gone:
            return None
        for cache, source in ((self._local, Source.CACHE), (self._shared, Source.REDIS)):
            entry = await cache.get(name) if cache is not None else None
            if entry is None or entry.revision < mark.floor:
                continue
            content = unseal(self._sealer, name, entry)
            if content is None or content.told < mark.told:
                continue
            if source is Source.CACHE:
                return content, source
            if self.is_fresh(content) and content.timeline == self.timeline:
                self.marks.carried(name, entry.revision, content)
                await self._local.put(name, entry, self._life)
                return content, source
        return None

    async def keep(self, name: SecretName, revision: int, content: Content, asked: Asked) -> bool:
        """Keep what PostgreSQL says is current; False if this node has answered or committed newer meanwhile."""
        if not self.marks.answered(name, revision, content, heard_before=asked.heard):
            return False
        entry = seal(self._sealer, name, revision, replace(content, timeline=self.timeline))
        await self._local.put(name, _of_era(entry, asked.era), self._life)
        if self._shared is not None:
            await self._shared.put(name, entry, self.ttl)
        return True

    async def keep_told(self, name: SecretName, content: Content) -> None:
        """Keep what Key Vault alone told, until PostgreSQL can be asked."""
        self.marks.told(name, content)
        entry = seal(self._sealer, name, self.marks.of(name).floor, content)
        await self._local.put(name, entry, self._life)

    async def changed(self, name: SecretName, revision: int) -> None:
        """A change was announced: forget what is older."""
        self.marks.announced(name, revision)
        await self._local.invalidate(name, revision)

    async def committed(self, name: SecretName, revision: int, content: Content | None) -> None:
        """This node made an announced change, after which readers get ``content``; None: nothing.

        It is compared before it is answered: others may have made a change since, and the feed lost its announcement.
        """
        self.marks.committed(name, revision)
        if self._shared is not None:
            await self._shared.invalidate(name, revision)
        if content is not None:
            await self.keep(name, revision, content, Asked(heard=revision))

    async def withheld(self, name: SecretName, revision: int) -> None:
        """PostgreSQL says that at this revision nothing is disclosed: what is kept may not come back in an outage."""
        self.marks.committed(name, revision)
        await self._local.invalidate(name, revision)

    def vanished(self, name: SecretName) -> None:
        """PostgreSQL says that a name is not there, be it purged: likewise for all that is kept of it."""
        self.marks.vanished(name)

    async def drop(self, name: SecretName, below: int) -> None:
        """The database has lost the change that made what is kept."""
        for cache in (self._local, self._shared):
            if cache is not None:
                await cache.invalidate(name, below)

    async def clear(self) -> None:
        """Empty both caches. The marks stay."""
        await self._local.clear()
        if self._shared is not None:
            await self._shared.clear()

    def is_fresh(self, content: Content, now: datetime | None = None) -> bool:
        """Whether it was compared with its source within the TTL, and confirmed."""
        return not content.told and (now or self._clock.now()) - content.checked_at < self.ttl


def _of_era(entry: CacheEntry, era: int) -> CacheEntry:
    return entry if entry.era == era else CacheEntry(revision=entry.revision, sealed=entry.sealed, era=era)


def _is_of(content: Content, found: Mirrored) -> bool:
    """Whether an entry is of this very state: a database that was set back may give out a revision once more.

    A version's id becomes the one that Key Vault gave it without a new revision.
    """
    version = found[1].version
    return (content.version, content.version_id, content.created_at, content.updated_at) == (
        version.public_number,
        version.public_id,
        version.created_at,
        version.updated_at,
    )
