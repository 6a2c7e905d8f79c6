"""One node: adapters chosen by the settings, use cases on top of them, background work beside."""

import asyncio
import resource
from collections.abc import Coroutine, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from importlib.metadata import version
from typing import Any, Final

from holdfast.bootstrap.audit import AuditParts
from holdfast.bootstrap.identities import IdentityParts, open_directory
from holdfast.bootstrap.replica import Replica, open_replica
from holdfast.bootstrap.rotation import open_rotations
from holdfast.bootstrap.storage import key_ring, open_database, open_installation
from holdfast.bootstrap.telemetry import Gauging
from holdfast.cache.memory import MemoryCache
from holdfast.cache.redis import RedisCache
from holdfast.config import Settings
from holdfast.crypto.envelope import Envelope
from holdfast.crypto.keyring import KeyRing
from holdfast.domain.leases import Leases
from holdfast.domain.names import SecretName
from holdfast.ports import BackendHealth
from holdfast.resilience.singleflight import SingleFlight
from holdfast.resilience.tasks import stopped
from holdfast.service.access.authorisation import Authorisation
from holdfast.service.access.control import AccessControl
from holdfast.service.access.explaining import Explainer
from holdfast.service.access.grants import GrantBook
from holdfast.service.access.guard import Guard
from holdfast.service.access.roles import RoleControl
from holdfast.service.access.rules import Rules
from holdfast.service.access.simulation import Simulator
from holdfast.service.installation.housekeeping import Housekeeping
from holdfast.service.installation.outages import Outages
from holdfast.service.installation.presence import Presence
from holdfast.service.installation.reports import Reporter
from holdfast.service.manager import UseCases
from holdfast.service.secrets.announcing import Announcer
from holdfast.service.secrets.backup import Backup
from holdfast.service.secrets.caching import CacheControl
from holdfast.service.secrets.coherence import Coherence
from holdfast.service.secrets.listing import Lister
from holdfast.service.secrets.mirror import Mirror
from holdfast.service.secrets.reading import Reader, ReadPolicy
from holdfast.service.secrets.writing import Writer
from holdfast.service.vault.control import VaultControl
from holdfast.stores.postgres.access import PostgresReports
from holdfast.stores.postgres.database import Database, Installation
from holdfast.stores.postgres.feed import DatabaseClock, PostgresFeed
from holdfast.stores.postgres.grants import PostgresGrants, PostgresRequests
from holdfast.stores.postgres.journal import PostgresJournal
from holdfast.stores.postgres.ledger import PostgresLedger
from holdfast.stores.postgres.migrations import schema_version
from holdfast.stores.postgres.nodes import PostgresNodes
from holdfast.stores.postgres.scrubbing import PostgresScrubber
from holdfast.stores.postgres.sync_state import PostgresSyncState
from holdfast.telemetry.cells import Cells
from holdfast.telemetry.exposition import exposition
from holdfast.telemetry.recorder import Recorder

_PROBED: Final = SecretName("holdfast-probe")
"""Looked up in Redis to see whether it answers; what is found under it does not matter."""


class Node:
    """What ``create_secrets_service`` starts."""

    def __init__(
        self, settings: Settings, *, pool: Any = None, background: bool = True, cells: Cells | None = None
    ) -> None:
        self._settings, self._pool, self._background = settings, pool, background
        self._recorder = Recorder(cells or Cells.alone())
        self.ring: KeyRing = key_ring(settings, own_database=settings.database_url is None and pool is None)

    async def start(self, stack: AsyncExitStack) -> UseCases:
        """Connect, and leave on ``stack`` how to disconnect.

        Raises:
            StartupError: this node cannot serve.
        """
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        database = await open_database(stack, self._settings, self._pool, self.ring)
        parts = Parts(self._settings, self.ring, database, await open_installation(database, self.ring), self._recorder)
        stack.push_async_callback(parts.close)
        await parts.feed.start(parts.coherence)
        stack.push_async_callback(parts.feed.stop)
        if self._background:
            for name, work in parts.background().items():
                _run(stack, name, work)
        return parts.use_cases()


def _run(stack: AsyncExitStack, name: str, work: Coroutine[Any, Any, None]) -> None:
    stack.push_async_callback(stopped, asyncio.create_task(work, name=name))


class Parts:
    """The adapters and use cases of a node, wired."""

    def __init__(
        self,
        settings: Settings,
        ring: KeyRing,
        database: Database,
        installation: Installation,
        recorder: Recorder | None = None,
    ) -> None:
        self._settings, self._installation = settings, installation
        self.recorder = recorder or Recorder(Cells.alone())
        self._own_database = settings.database_url is None and database.owned
        self.feed = PostgresFeed(database)
        self.clock = DatabaseClock(self.feed)
        self.sealer = Envelope(ring)
        self.ledger, self.journal = PostgresLedger(database), PostgresJournal(database)
        self.sync_state, self.reports = PostgresSyncState(database), PostgresReports(database)
        self.nodes = PostgresNodes(database)
        self._scrubber = PostgresScrubber(database)
        self.audit = AuditParts(settings, database, self.sealer, self.clock, self.recorder)
        self.trail = self.audit.trail
        self.grants, self._requests = PostgresGrants(database), PostgresRequests(database)
        leases = Leases(settings.grant_lease, settings.grant_leases)
        self.directory = open_directory(database, self.sealer, self.clock)
        self.book = GrantBook(self.grants, self.sealer, self.feed, self.clock, leases, self.directory.groups_of)
        self.guard = Guard(self.book, self.trail, self.clock)
        self._lease = timedelta(seconds=leases.longest)
        self.local = MemoryCache(max_ttl=max(settings.cache_ttl, self._lease), max_entries=settings.cache_entries)
        self.shared = self._shared()
        self._flights: SingleFlight[Any, Any] = SingleFlight()
        self.coherence = Coherence(self.local, self.shared, self._flights, self.book, self.directory)
        self.mirror = Mirror(self.ledger, self.sealer, self.clock)
        self.replica = self._replica()
        self.announcer = Announcer(self.coherence, self.replica.replicator if self.replica else None)
        self.rules, self.reader, self.writer = self._rules(), self._reader(), self._writer()
        self.identities = self._identities(database)
        self.backends = Outages(self._look, self.clock.now)
        self.rotation = open_rotations(
            settings,
            database,
            ledger=self.ledger,
            mirror=self.mirror,
            sealer=self.sealer,
            clock=self.clock,
            guard=self.guard,
            writer=self.writer,
            reader=self.reader,
            telemetry=self.recorder,
        )

    def _replica(self) -> Replica | None:
        if not self._settings.vault_url:
            return None
        return open_replica(
            self._settings,
            ledger=self.ledger,
            journal=self.journal,
            sync_state=self.sync_state,
            sealer=self.sealer,
            clock=self.clock,
            unsettled=self.coherence.unsettled,
            telemetry=self.recorder,
        )

    def _shared(self) -> RedisCache | None:
        url, namespace = self._settings.redis_url, str(self._installation.id)
        return RedisCache(url, namespace=namespace, max_ttl=self._settings.cache_ttl) if url else None

    def _rules(self) -> Rules:
        return Rules(
            guard=self.guard,
            book=self.book,
            store=self.grants,
            sealer=self.sealer,
            clock=self.clock,
            announce=self.coherence.rules_changed,
        )

    def _identities(self, database: Database) -> IdentityParts:
        return IdentityParts(
            database,
            sealer=self.sealer,
            clock=self.clock,
            guard=self.guard,
            book=self.book,
            directory=self.directory,
            announce=self.coherence.rules_changed,
        )

    def _reader(self) -> Reader:
        return Reader(
            ledger=self.ledger,
            mirror=self.mirror,
            sealer=self.sealer,
            clock=self.clock,
            feed=self.feed,
            local=self.local,
            shared=self.shared,
            flights=self._flights,
            unsettled=self.coherence.unsettled,
            absences=self.coherence.absences,
            upstream=self.replica.upstream if self.replica else None,
            policy=ReadPolicy(
                cache_ttl=self._settings.cache_ttl,
                lease=self._lease,
                refuse_outside_validity=self._settings.refuse_outside_validity,
            ),
        )

    def _writer(self) -> Writer:
        return Writer(
            ledger=self.ledger,
            mirror=self.mirror,
            sealer=self.sealer,
            clock=self.clock,
            guard=self.guard,
            announcer=self.announcer,
            retention_days=self._settings.retention_days,
            purge_protection=self._settings.purge_protection,
        )

    def use_cases(self) -> UseCases:
        """What the facade calls."""
        replica = self.replica
        return UseCases(
            guard=self.guard,
            reader=self.reader,
            writer=self.writer,
            lister=Lister(self.ledger, self.guard, self.reader.discover),
            access=self._access(),
            authorisation=self._authorisation(),
            directory=self.directory,
            identities=self.identities.identities,
            tokens=self.identities.tokens,
            clients=self.identities.clients,
            reporter=self._reporter(),
            audit=self.audit.use_cases(self.guard),
            backup=self._backup(),
            caches=self._cache_control(),
            rotations=self.rotation.rotations,
            rollbacks=self.rotation.rollbacks,
            handlers=self.rotation.handlers,
            vault=VaultControl(self.guard, replica.sync if replica else None, replica.reconciler if replica else None),
            backends=self.backends,
            for_vault=replica is not None,
            tenant=str(self._installation.tenant),
            own_database=self._own_database,
            clock=self.clock,
            telemetry=self.recorder,
            metrics=lambda: exposition(self.recorder.cells),
        )

    def _access(self) -> AccessControl:
        return AccessControl(
            guard=self.guard,
            book=self.book,
            rules=self.rules,
            clock=self.clock,
        )

    def _authorisation(self) -> Authorisation:
        return Authorisation(
            roles=RoleControl(guard=self.guard, rules=self.rules, clock=self.clock),
            explainer=Explainer(guard=self.guard, book=self.book, clock=self.clock),
            simulator=Simulator(guard=self.guard, book=self.book, requests=self._requests, clock=self.clock),
        )

    def _reporter(self) -> Reporter:
        return Reporter(
            guard=self.guard,
            ledger=self.ledger,
            reports=self.reports,
            audit=self.audit.search,
            journal=self.journal,
            sync=self.sync_state,
            nodes=self.nodes,
            rotations=self.rotation.store,
            clock=self.clock,
            backends=self.backends,
            probe=self.probe,
            ignored_rules=self.book.ignored,
        )

    def _backup(self) -> Backup:
        return Backup(
            ledger=self.ledger,
            mirror=self.mirror,
            sealer=self.sealer,
            clock=self.clock,
            guard=self.guard,
            announcer=self.announcer,
        )

    def _cache_control(self) -> CacheControl:
        return CacheControl(
            guard=self.guard,
            reader=self.reader,
            ledger=self.ledger,
            coherence=self.coherence,
            local=self.local,
            shared=self.shared,
        )

    def background(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What has to go on beside serving."""
        housekeeping = Housekeeping(
            ledger=self.ledger,
            guard=self.guard,
            writer=self.writer,
            clock=self.clock,
            scrubber=self._scrubber,
            local=self.audit.spool,
            archive=self.audit.archive,
            take_in=self.trail.take_in,
        )
        presence = Presence(
            self.nodes,
            self.clock,
            release=version("holdfast"),
            schema_version=schema_version(),
            backends=self.backends,
            counted=self.replica.primary.share_among if self.replica else lambda _: None,
        )
        return {
            "housekeeping": housekeeping.run(),
            "presence": presence.run(),
            "gauges": self.gauging().run(),
            "token uses": self.identities.tokens.note_uses(),
            **self.rotation.background(),
            **self.audit.background(),
            **(self.replica.background() if self.replica else {}),
        }

    def gauging(self) -> Gauging:
        """What looks at this node now and then, for its metrics."""
        return Gauging(
            recorder=self.recorder,
            backends=self.backends,
            journal=self.journal,
            sync=self.sync_state,
            rotations=self.rotation.store,
            clock=self.clock,
            for_vault=self.replica is not None,
        )

    def _look(self) -> Sequence[BackendHealth]:
        """Every backend as this node sees it now."""
        degraded = self.trail.degraded
        detail = "records go to the local log and are shipped later" if degraded else ""
        vault, shared = self.replica, self.shared
        return (
            BackendHealth(name="postgresql", configured=True, healthy=self.feed.live()),
            BackendHealth(name="audit", configured=True, healthy=not degraded, detail=detail),
            BackendHealth(name="redis", configured=shared is not None, healthy=shared is None or shared.healthy()),
            vault.health() if vault else BackendHealth(name="keyvault", configured=False, healthy=True),
        )

    async def probe(self) -> dict[str, str]:
        """Ask Redis and Key Vault something; PostgreSQL is asked all the time."""
        if self.shared is not None:
            await self.shared.get(_PROBED)
        fault = await self.replica.probe() if self.replica is not None else None
        return {"keyvault": fault} if fault is not None else {}

    async def close(self) -> None:
        """Close what the parts opened; the database is closed by whoever opened it."""
        await self.audit.close()
        await self._flights.aclose()
        if self.replica is not None:
            await self.replica.aclose()
        if self.shared is not None:
            await self.shared.aclose()
        await self.local.aclose()
