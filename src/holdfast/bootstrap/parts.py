"""The adapters and use cases of a node, wired."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from holdfast.bootstrap.audit import AuditParts
from holdfast.bootstrap.backup import open_backups
from holdfast.bootstrap.break_glass import BreakGlassParts, open_break_glass
from holdfast.bootstrap.identities import IdentityParts, open_directory
from holdfast.bootstrap.notices import open_notices
from holdfast.bootstrap.passwordless import redis_login
from holdfast.bootstrap.replica import Replica, open_replica
from holdfast.bootstrap.rotation import RotationParts, open_handlers, open_rotations
from holdfast.bootstrap.vault import open_vault
from holdfast.cache.memory import MemoryCache
from holdfast.cache.redis import RedisCache
from holdfast.config import Settings
from holdfast.config.break_glass import load_policies
from holdfast.config.issuers import load_issuers
from holdfast.crypto.envelope import Envelope
from holdfast.crypto.keyring import KeyRing
from holdfast.crypto.known_answer import known_answer
from holdfast.domain.leases import Leases
from holdfast.domain.names import SecretName
from holdfast.errors import BackendUnavailable
from holdfast.ports import BackendHealth, Cache, Vault
from holdfast.resilience.singleflight import SingleFlight
from holdfast.resilience.supervision import Supervisor
from holdfast.service.access.grants import GrantBook
from holdfast.service.access.guard import Guard
from holdfast.service.access.rules import Rules
from holdfast.service.installation.outages import Outages
from holdfast.service.keys.following import SealingKey
from holdfast.service.keys.keys import KeyCases
from holdfast.service.notices.watching import Watched
from holdfast.service.secrets.announcing import Announcer
from holdfast.service.secrets.coherence import Coherence
from holdfast.service.secrets.losses import Losses
from holdfast.service.secrets.making import Maker
from holdfast.service.secrets.mirror import Mirror
from holdfast.service.secrets.proposing import Proposals
from holdfast.service.secrets.reading import Reader
from holdfast.service.secrets.tiers import Tiers
from holdfast.service.secrets.writing import Writer
from holdfast.stores.postgres.access import PostgresReports
from holdfast.stores.postgres.clock import machine_time
from holdfast.stores.postgres.clock_acceptance import PostgresClock
from holdfast.stores.postgres.database import Database, Installation
from holdfast.stores.postgres.feed import PostgresFeed
from holdfast.stores.postgres.grants import PostgresGrants, PostgresRequests
from holdfast.stores.postgres.journal import PostgresJournal
from holdfast.stores.postgres.kept_out import PostgresKeptOut
from holdfast.stores.postgres.keys import PostgresKeys
from holdfast.stores.postgres.ledger import PostgresLedger
from holdfast.stores.postgres.nodes import PostgresNodes
from holdfast.stores.postgres.scrubbing import PostgresScrubber
from holdfast.stores.postgres.sync_state import PostgresSyncState
from holdfast.telemetry.cells import Cells
from holdfast.telemetry.recorder import Recorder

_PROBED: Final = SecretName("holdfast-probe")
"""Looked up in Redis to see whether it answers; what is found under it does not matter."""


class Parts:
    """The adapters and use cases of a node, wired.

    Args:
        vault, shared: in place of those that the settings name.
        machine: the present moment by the clock of this machine.
    """

    def __init__(
        self,
        settings: Settings,
        ring: KeyRing,
        database: Database,
        installation: Installation,
        recorder: Recorder | None = None,
        *,
        vault: Vault | None = None,
        shared: Cache | None = None,
        machine: Callable[[], datetime] = machine_time,
    ) -> None:
        self.settings, self.installation, self.database = settings, installation, database
        self.recorder, self.machine = recorder or Recorder(Cells.alone()), machine
        self.own_database = settings.database_url is None and database.owned
        self.supervisor = Supervisor()
        self.sealer = Envelope(ring)
        self.feed = PostgresFeed(database, self.sealer, self.supervisor, machine=machine)
        self.clock, self.database_clock = self.feed.clock, PostgresClock(database, self.sealer)
        self.ledger, self.journal = PostgresLedger(database), PostgresJournal(database)
        self.sync_state, self.kept_out = PostgresSyncState(database), PostgresKeptOut(database)
        self.reports = PostgresReports(database)
        self.nodes, self.scrubber = PostgresNodes(database), PostgresScrubber(database)
        self.audit = AuditParts(settings, database, self.sealer, self.clock, self.recorder)
        self.trail = self.audit.trail
        self.notices = open_notices(settings, database, self.clock, installation.id)
        self.grants, self.requests = PostgresGrants(database), PostgresRequests(database)
        leases = Leases(settings.grant_lease, settings.grant_leases)
        self.directory = open_directory(database, self.sealer, self.clock)
        self.book = GrantBook(self.grants, self.sealer, self.feed, self.clock, leases, self.directory.groups_of)
        self.guard = Guard(self.book, self.trail, self.clock)
        self._lease = timedelta(seconds=leases.longest)
        self.local = MemoryCache(max_ttl=max(settings.cache_ttl, self._lease), max_entries=settings.cache_entries)
        self.shared = shared or self._shared()
        self.tiers = Tiers(self.local, self.shared, self.sealer, self.clock, ttl=settings.cache_ttl, lease=self._lease)
        self._flights: SingleFlight[Any, Any] = SingleFlight()
        self.key_store = PostgresKeys(database, self.sealer)
        self.sealing = SealingKey(ring, self.key_store)
        self.losses = Losses(self.tiers, self.ledger, self.trail, self.clock)
        follow, losses, compare = self.sealing.follow, self.losses, self.audit.compare
        self.coherence = Coherence(self.tiers, self._flights, self.book, self.directory, follow, losses, compare)
        self.keys, self.mirror = self._keys(ring), Mirror(self.ledger, self.sealer, self.clock)
        self.proposals = self._proposals()
        self.replica = self._replica(vault)
        self.announcer = Announcer(self.coherence, self.replica.replicator if self.replica else None)
        self.maker = Maker(self.ledger, self.proposals, self.announcer, self.clock)
        self.rules, self.reader = self._rules(), self._reader()
        self.handlers, self.policies = open_handlers(settings, self.guard, self.reader, self.directory.is_disabled)
        self.writer, self.identities = self._writer(), self._identities(database)
        self.backups = open_backups(database, ring, sealer=self.sealer, guard=self.guard, clock=self.clock)
        self.backends = Outages(self._look, self.clock.now)
        self.rotation, self.break_glass = self._rotation(database), self._break_glass(database)

    def _proposals(self) -> Proposals:
        kept = self.guard.kept
        self.database.kept.append(kept)
        return Proposals(ledger=self.ledger, sealer=self.sealer, coherence=self.coherence, clock=self.clock, kept=kept)

    def _break_glass(self, database: Database) -> BreakGlassParts:
        return open_break_glass(
            database,
            load_policies(self.settings.break_glass),
            sealer=self.sealer,
            clock=self.clock,
            guard=self.guard,
            book=self.book,
            directory=self.directory,
            factors=self.identities.identities.totp,
            notifier=self.notices.notifier,
            rules_changed=self.coherence.rules_changed,
        )

    def _keys(self, ring: KeyRing) -> KeyCases:
        return KeyCases(
            guard=self.guard,
            store=self.key_store,
            sealing=self.sealing,
            clock=self.clock,
            known_answer=partial(known_answer, ring),
        )

    def _replica(self, vault: Vault | None) -> Replica | None:
        if vault is None and not self.settings.vault_url:
            return None
        return open_replica(
            self.settings,
            vault or open_vault(self.settings),
            ledger=self.ledger,
            journal=self.journal,
            sync_state=self.sync_state,
            kept_out=self.kept_out,
            sealer=self.sealer,
            clock=self.clock,
            unsettled=self.coherence.unsettled,
            proposals=self.proposals,
            telemetry=self.recorder,
        )

    def _shared(self) -> RedisCache | None:
        url, namespace = self.settings.redis_url, str(self.installation.cache_namespace)
        if url is None:
            return None
        login = redis_login(self.settings)
        return RedisCache(url, namespace=namespace, max_ttl=self.settings.cache_ttl, login=login)

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
        path = self.settings.oidc_issuers
        return IdentityParts(
            database,
            sealer=self.sealer,
            clock=self.clock,
            guard=self.guard,
            book=self.book,
            directory=self.directory,
            announce=self.coherence.rules_changed,
            issuers={each.issuer for each in load_issuers(path)} if path else (),
        )

    def _reader(self) -> Reader:
        return Reader(
            ledger=self.ledger,
            mirror=self.mirror,
            clock=self.clock,
            feed=self.feed,
            tiers=self.tiers,
            flights=self._flights,
            unsettled=self.coherence.unsettled,
            absences=self.coherence.absences,
            upstream=self.replica.upstream if self.replica else None,
            refuse_outside_validity=self.settings.refuse_outside_validity,
        )

    def _writer(self) -> Writer:
        return Writer(
            ledger=self.ledger,
            mirror=self.mirror,
            sealer=self.sealer,
            clock=self.clock,
            guard=self.guard,
            policies=self.policies,
            announcer=self.announcer,
            maker=self.maker,
            retention_days=self.settings.retention_days,
            purge_protection=self.settings.purge_protection,
            histories=self.replica.histories if self.replica else None,
        )

    def _rotation(self, database: Database) -> RotationParts:
        return open_rotations(
            self.settings,
            database,
            ledger=self.ledger,
            mirror=self.mirror,
            sealer=self.sealer,
            clock=self.clock,
            guard=self.guard,
            writer=self.writer,
            handlers=self.handlers,
            policies=self.policies,
            telemetry=self.recorder,
        )

    def watched(self) -> Watched:
        """What people are told of is looked for in."""
        return Watched(
            ledger=self.ledger,
            rotations=self.rotation.store,
            laggards=self.rotation.adoption.laggards,
            journal=self.journal,
            nodes=self.nodes,
            rules=self.grants,
            keys=self.key_store,
            streams=self.audit.stream_states,
            ignored_rules=self.book.ignored,
            clock_doubt=lambda: self.clock.doubt,
            kept_out=self.kept_out,
        )

    def _look(self) -> Sequence[BackendHealth]:
        """Every backend as this node sees it now."""
        vault, shared = self.replica, self.shared
        return (
            BackendHealth(name="postgresql", configured=True, healthy=self._is_well(), detail=self._fault() or ""),
            self.audit.health(),
            BackendHealth(name="redis", configured=shared is not None, healthy=shared is None or shared.healthy()),
            vault.health() if vault else BackendHealth(name="keyvault", configured=False, healthy=True),
        )

    def _fault(self) -> str | None:
        ended = self.database.keeper.fault if self.database.keeper else None
        return ended or self.database.holders.fault

    def _is_well(self) -> bool:
        return self.feed.well and self._fault() is None

    def check_ready(self) -> None:
        """See that this node can answer anything; see ``SecretsService.check_ready``."""
        self.guard.check_ready()
        self.keys.check_ready()
        if self.database.keeper and (fault := self.database.keeper.fault):
            raise BackendUnavailable(f"{fault[0].upper()}{fault[1:]}; try again")

    def check_alive(self) -> None:
        """See that this process may yet recover by itself; see ``SecretsService.check_alive``."""
        if self.database.keeper and self.database.keeper.hopeless:
            raise BackendUnavailable(f"{self._fault()}: see postgres.log in the data folder")

    async def probe(self) -> dict[str, str]:
        """Ask Redis and Key Vault something; PostgreSQL is asked all the time."""
        if self.shared is not None:
            await self.shared.get(_PROBED)
        fault = await self.replica.probe() if self.replica is not None else None
        return {"keyvault": fault} if fault is not None else {}

    async def close(self) -> None:
        """Close what the parts opened; the database is closed by whoever opened it."""
        await self.sealing.count()
        await self.audit.close()
        await self._flights.aclose()
        await self.maker.aclose()
        if self.replica is not None:
            await self.replica.aclose()
        if self.shared is not None:
            await self.shared.aclose()
        await self.local.aclose()
