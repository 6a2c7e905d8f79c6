"""Nodes on ports in memory: a ledger, its feed, a Key Vault that may be behind, and a Redis that may serve anything."""

import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from holdfast.cache.memory import MemoryCache
from holdfast.domain.audit import AuditRecord
from holdfast.domain.intent import MARKER_TAG, Marker
from holdfast.domain.names import SecretName, new_version_id
from holdfast.domain.secret import Attributes, Secret, SecretSettings, SecretValue, SecretVersion, State
from holdfast.errors import BackendUnavailable, SecretNotFound
from holdfast.ports import CacheEntry, Head, StoredVersion, VaultVersion
from holdfast.resilience.singleflight import SingleFlight
from holdfast.service.secrets.coherence import Coherence, Unsettled
from holdfast.service.secrets.losses import Losses
from holdfast.service.secrets.mirror import Mirror, Mirrored, place_of
from holdfast.service.secrets.reading import Reader
from holdfast.service.secrets.tiers import Tiers
from holdfast.service.secrets.upstream import Upstream
from tests.support.clock import VirtualClock
from tests.support.rules import SEALER

NAME = SecretName("k")
TTL = timedelta(seconds=5)
LEASE = timedelta(seconds=30)
NEWS_S = 1.0
"""How long an announcement may be on its way."""


class Store:
    """The commit point, for one secret. ``pushed`` is the state that Key Vault has; ``timeline`` names the history."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock, self.timeline, self.reached = clock, 1, 0
        self.now: Mirrored | None = None
        self.pushed: VaultVersion | None = None
        self.pushed_state = State.ACTIVE

    def write(self, value: str) -> Mirrored:
        """A new version, which also brings a deleted secret back."""
        now, number = self.clock.now(), self.now[0].version + 1 if self.now else 1
        version = SecretVersion(
            name=NAME,
            version=number,
            version_id=new_version_id(),
            attributes=Attributes(),
            created_at=now,
            updated_at=now,
            current=True,
        )
        head = Head(
            incarnation=self.now[0].incarnation if self.now else uuid.uuid4(),
            name=NAME,
            display_name=NAME,
            state=State.ACTIVE,
            revision=self._next(),
            version=number,
            version_id=version.version_id,
            settings=SecretSettings(),
            attestation="",
            verified_at=now,
            open_intents=1,
        )
        sealed = SEALER.seal(place_of(head, version), SecretValue(value))
        return self._put(head, StoredVersion(version=version, sealed=sealed))

    def delete(self) -> Mirrored:
        assert self.now is not None
        head = replace(self.now[0], state=State.DELETED, revision=self._next(), open_intents=1)
        return self._put(head, self.now[1])

    def push(self) -> None:
        """Let Key Vault have what is committed, in a moment of its own clock."""
        if self.now is None or not self.now[0].open_intents:
            return
        head, stored = self.now
        value = SEALER.open(place_of(head, stored.version), stored.sealed) if stored.sealed else None
        moment = self.clock.now().replace(microsecond=0)
        known = (
            self.pushed if self.pushed and self.pushed.marker and self.pushed.marker.version == head.version else None
        )
        marker = {MARKER_TAG: str(Marker(head.version, uuid.uuid4()))}
        self.pushed = VaultVersion(
            name=NAME,
            vault_version_id=known.vault_version_id if known else new_version_id(),
            attributes=Attributes(tags=known.attributes.tags if known else marker),
            created_at=known.created_at if known else moment,
            updated_at=moment,
            value=value,
        )
        self.pushed_state = head.state
        settled = replace(
            head, open_intents=0, vault_version_id=self.pushed.vault_version_id, vault_updated_at=self.pushed.updated_at
        )
        self.now = settled, stored

    def _next(self) -> int:
        self.reached += 1
        return self.reached

    def _put(self, head: Head, stored: StoredVersion) -> Mirrored:
        self.now = replace(head, attestation=SEALER.attest(head.facts())), stored
        return self.now


class Link:
    """A node's way to the commit point, as its ledger and its feed."""

    def __init__(self, store: Store) -> None:
        self._store, self._clock = store, store.clock
        self.up = True
        self.contact = self._clock.monotonic()
        self.news: deque[tuple[float, int]] = deque()

    def live(self) -> bool:
        """Every announcement that is a second old has been delivered."""
        return self.up and not (self.news and self._clock.monotonic() - self.news[0][0] >= NEWS_S)

    def seconds_since_contact(self) -> float:
        if self.up:
            self.contact = self._clock.monotonic()
        return self._clock.monotonic() - self.contact

    async def current(self, name: SecretName, *, brief: bool = False) -> Mirrored | None:
        self._check()
        return self._store.now

    async def heads(self, names: Sequence[SecretName]) -> Mapping[SecretName, Head]:
        self._check()
        return {NAME: self._store.now[0]} if self._store.now else {}

    def _check(self) -> None:
        if not self.up:
            raise BackendUnavailable("PostgreSQL is away")


class VaultTwin:
    """Key Vault as a reader asks it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.away = False

    async def read_once(self, name: SecretName, vault_version_id: str | None = None) -> VaultVersion:
        if self.away:
            raise BackendUnavailable("Key Vault is away")
        if self._store.pushed is None or self._store.pushed_state is not State.ACTIVE:
            raise SecretNotFound("Secret not found")
        return self._store.pushed

    async def read_patiently(self, name: SecretName, vault_version_id: str | None = None) -> VaultVersion:
        return await self.read_once(name)

    async def is_deleted(self, name: SecretName) -> bool:
        return self._store.pushed_state is not State.ACTIVE


class NoHistories:
    """Nothing is made in Key Vault directly here."""

    async def soon(self, name: SecretName) -> bool:
        return True

    def later(self, name: SecretName) -> None: ...


class OldRedis:
    """A Redis that keeps every entry it ever got, and may serve any of them. Invalidations reach it when it is well."""

    def __init__(self) -> None:
        self.entries: list[CacheEntry] = []
        self.floor = 0
        self.serves: int | None = None

    async def get(self, name: SecretName) -> CacheEntry | None:
        if self.serves is not None:
            return self.entries[self.serves % len(self.entries)] if self.entries else None
        fit = [entry for entry in self.entries if entry.revision >= self.floor]
        return max(fit, key=lambda entry: entry.revision, default=None)

    async def put(self, name: SecretName, entry: CacheEntry, ttl: timedelta) -> None:
        self.entries.append(entry)

    async def invalidate(self, name: SecretName, revision: int) -> None:
        self.floor = max(self.floor, revision)

    async def clear(self) -> None:
        self.entries.clear()

    def healthy(self) -> bool:
        return True

    async def aclose(self) -> None: ...


class Trail:
    """Keeps the audit records."""

    def __init__(self) -> None:
        self.records: list[AuditRecord] = []

    async def append(self, record: AuditRecord) -> None:
        self.records.append(record)


class Loaded:
    """Rules and identities, which are others' matter."""

    async def load(self) -> None: ...


class Node:
    """What a node reads with, and what it was told."""

    def __init__(self, store: Store, vault: VaultTwin, redis: OldRedis) -> None:
        clock, self._store = store.clock, store
        self.link, self.trail = Link(store), Trail()
        self.local = MemoryCache(max_ttl=LEASE, monotonic=clock.monotonic)
        self.tiers = Tiers(self.local, redis, SEALER, clock, ttl=TTL, lease=LEASE)
        ledger: Any = self.link
        self.mirror = Mirror(ledger, SEALER, clock)
        self.losses = Losses(self.tiers, ledger, self.trail, clock, clock.monotonic)
        flights: SingleFlight[SecretName, Secret] = SingleFlight()
        others: Any = Loaded()
        self.coherence = Coherence(self.tiers, flights, others, others, losses=self.losses)
        self.coherence.unsettled = Unsettled(clock.monotonic)
        histories: Any = NoHistories()
        self.reader = Reader(
            ledger=ledger,
            mirror=self.mirror,
            clock=clock,
            feed=ledger,
            tiers=self.tiers,
            flights=flights,
            unsettled=self.coherence.unsettled,
            absences=self.coherence.absences,
            upstream=Upstream(vault, histories),
        )

    async def read(self) -> Secret:
        class Passed:
            name = NAME

        passed: Any = Passed
        return await self.reader.get(passed)

    async def committed(self, made: Mirrored) -> None:
        """This node committed a state: the caches are told before anybody."""
        standing = self.mirror.standing(*made)
        await self.coherence.committed(NAME, made[0].revision, standing)

    async def deliver(self) -> None:
        """Deliver what was announced."""
        while self.link.news:
            await self.coherence.secret_changed(NAME, self.link.news.popleft()[1])

    async def mend(self) -> None:
        """The link is back: what was announced meanwhile is lost."""
        self.link.up = True
        self.link.news.clear()
        await self.coherence.resynchronise()
        await self.coherence.timeline_reached(str(self._store.timeline), self._store.reached)

    def look(self) -> None:
        """Look at the journal."""
        if self.link.up:
            unsettled, now = self.coherence.unsettled, self._store.now
            unsettled.end_look(unsettled.begin_look(), [NAME] if now and now[0].open_intents else [])
