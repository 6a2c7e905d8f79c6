"""Everything between the commit point and Key Vault, put together by hand on a vault in memory."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from holdfast.cache.memory import MemoryCache
from holdfast.crypto.envelope import Envelope
from holdfast.crypto.keyring import KeyRing
from holdfast.domain.leases import Leases
from holdfast.domain.names import SecretName
from holdfast.domain.policy import SYSTEM_ID, Caller, Permission
from holdfast.domain.secret import Attributes, SecretSettings, SecretValue, SecretVersion
from holdfast.ports import Head
from holdfast.resilience.retry import RetryPolicy
from holdfast.resilience.singleflight import SingleFlight
from holdfast.service.access.directory import Directory
from holdfast.service.access.grants import GrantBook
from holdfast.service.access.guard import Guard
from holdfast.service.access.policies import PolicyRights, Reach
from holdfast.service.secrets.announcing import Announcer
from holdfast.service.secrets.coherence import Coherence
from holdfast.service.secrets.making import Maker
from holdfast.service.secrets.mirror import Mirror
from holdfast.service.secrets.proposing import Proposals
from holdfast.service.secrets.tiers import Tiers
from holdfast.service.secrets.wishes import NewVersion, Revision
from holdfast.service.secrets.writing import Writer
from holdfast.service.vault.adoption import Adopter
from holdfast.service.vault.applying import Applier
from holdfast.service.vault.mirroring import SyncReport
from holdfast.service.vault.primary import Primary
from holdfast.service.vault.reconciliation import Reconciler
from holdfast.service.vault.replication import Replicator
from holdfast.service.vault.sync import VaultSync
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.identities import PostgresIdentities
from holdfast.stores.postgres.journal import PostgresJournal
from holdfast.stores.postgres.kept_out import PostgresKeptOut
from holdfast.stores.postgres.ledger import PostgresLedger
from holdfast.stores.postgres.sync_state import PostgresSyncState
from tests.support.clock import VirtualClock
from tests.support.memory_vault import MemoryVault
from tests.support.rules import QuietFeed, QuietTrail, RulesInMemory

KEY = base64.b64encode(bytes(range(32))).decode()
SYSTEM = Caller(SYSTEM_ID, is_system=True)
SECRET = SecretName("api-key")


class Crash(BaseException):
    """The process dies here."""


class CrashOnce:
    """Dies at the ``point`` that is set, once. ``passed`` collects the points that were reached."""

    def __init__(self) -> None:
        self.point: str | None = None
        self.passed: set[str] = set()

    def __call__(self, point: str) -> None:
        self.passed.add(point)
        if self.point == point:
            self.point = None
            raise Crash(point)


class World:
    """One node. ``restart`` gives it a new memory on the same database and vault, as after a kill."""

    def __init__(self, database: Database, vault: MemoryVault, clock: VirtualClock) -> None:
        self.database, self.vault, self.clock = database, vault, clock
        self.ledger, self.journal = PostgresLedger(database), PostgresJournal(database)
        self.sealer = Envelope(KeyRing.from_settings(KEY))
        self.mirror = Mirror(self.ledger, self.sealer, clock)
        self.crash = CrashOnce()
        self.restart()

    def restart(self) -> None:
        """Begin anew with an empty memory."""
        policy = RetryPolicy(retries=0)
        self.primary = Primary(self.vault, self.clock, retry_policy=policy)
        self.adopter = Adopter(
            ledger=self.ledger,
            journal=self.journal,
            sealer=self.sealer,
            primary=self.primary,
            clock=self.clock,
            crashpoint=self.crash,
        )
        self.applier = Applier(
            ledger=self.ledger,
            sealer=self.sealer,
            primary=self.primary,
            adopter=self.adopter,
            journal=self.journal,
            clock=self.clock,
            crashpoint=self.crash,
        )
        self._remember()
        self.replicator = Replicator(
            journal=self.journal,
            applier=self.applier,
            adopter=self.adopter,
            proposals=self.proposals,
            clock=self.clock,
            concurrency=1,
            pause=timedelta(hours=1),
            crashpoint=self.crash,
        )
        self.sync = VaultSync(
            ledger=self.ledger,
            primary=self.primary,
            adopter=self.adopter,
            state=PostgresSyncState(self.database),
            kept_out=PostgresKeptOut(self.database),
            clock=self.clock,
        )
        self.reconciler = Reconciler(
            ledger=self.ledger,
            journal=self.journal,
            adopter=self.adopter,
            replicator=self.replicator,
            kept_out=PostgresKeptOut(self.database),
        )
        self.writer = self._writer()

    async def kill(self) -> None:
        """Be killed, come back, and find the leases of the former life run out."""
        async with self.database.connection() as connection:
            await connection.execute("UPDATE secret_intents SET lease_until = now() WHERE state IN ('open', 'parked')")
        self.restart()

    def _remember(self) -> None:
        grants = GrantBook(RulesInMemory(), self.sealer, QuietFeed(), self.clock, Leases(timedelta(days=1)))
        self.guard = Guard(grants, QuietTrail(), self.clock)
        self.database.kept.append(self.guard.kept)
        minute = timedelta(minutes=1)
        tiers = Tiers(MemoryCache(max_ttl=minute), None, self.sealer, self.clock, ttl=minute, lease=minute)
        self.coherence = Coherence(
            tiers,
            SingleFlight(),
            grants,
            Directory(PostgresIdentities(self.database, self.sealer), self.sealer, self.clock),
        )
        self.proposals = Proposals(
            ledger=self.ledger,
            sealer=self.sealer,
            coherence=self.coherence,
            clock=self.clock,
            kept=self.guard.kept,
            crashpoint=self.crash,
        )

    def _writer(self) -> Writer:
        announcer = Announcer(self.coherence, self.replicator)
        self.maker = Maker(self.ledger, self.proposals, announcer, self.clock, crashpoint=self.crash)
        return Writer(
            ledger=self.ledger,
            mirror=self.mirror,
            sealer=self.sealer,
            clock=self.clock,
            guard=self.guard,
            policies=PolicyRights(self.guard, lambda name, policy: Reach(), lambda identity: False),
            announcer=announcer,
            maker=self.maker,
            retention_days=90,
            purge_protection=False,
        )

    # --- writing as an application does

    async def set(self, value: str, *, name: SecretName = SECRET, tags: dict[str, str] | None = None) -> bool:
        """Set a version; returns whether it was replicated at once."""
        new = NewVersion(
            display_name=name,
            value=SecretValue(value),
            attributes=Attributes(tags=tags or {}),
            settings=SecretSettings(),
        )
        async with self.guard.operation(SYSTEM, Permission.SET, name, "set") as authorized:
            return (await self.writer.set(authorized, new)).replicated

    async def update(self, *, name: SecretName = SECRET, **changes: object) -> SecretVersion:
        """Change attributes of the current version."""
        change = Revision(
            version=None,
            attributes=lambda attributes: replace(attributes, **changes),
            settings=lambda settings: settings,
        )
        async with self.guard.operation(SYSTEM, Permission.SET, name, "update") as authorized:
            return await self.writer.update(authorized, change)

    async def delete(self, name: SecretName = SECRET) -> None:
        async with self.guard.operation(SYSTEM, Permission.DELETE, name, "delete") as authorized:
            await self.writer.delete(authorized)

    async def recover(self, name: SecretName = SECRET) -> None:
        async with self.guard.operation(SYSTEM, Permission.RECOVER, name, "recover") as authorized:
            await self.writer.recover(authorized)

    async def purge(self, name: SecretName = SECRET) -> None:
        async with self.database.connection() as connection:  # Key Vault's clock here is the virtual one
            moment = self.clock.now().isoformat()
            await connection.execute(f"ALTER TABLE secret_intents ALTER created_at SET DEFAULT timestamptz '{moment}'")
        async with self.guard.operation(SYSTEM, Permission.PURGE, name, "purge") as authorized:
            await self.writer.purge(authorized)

    async def replay(self) -> None:
        """Let a minute pass, after which breakers probe and transitions have settled; then replay what is open."""
        self.clock.move(61)
        await self.make_due()
        await self.replicator.drain()

    async def make_due(self) -> None:
        """Let no open intent wait for its next attempt."""
        async with self.database.connection() as connection:
            await connection.execute("UPDATE secret_intents SET next_attempt_at = now() WHERE state = 'open'")

    # --- what tests look at

    async def settle(self) -> None:
        """Bring the vault back, let time pass and replay until nothing is open."""
        self.vault.heal()
        for _ in range(100):
            await self.replay()
            if await self._at_rest():
                return
        raise AssertionError(f"the replay does not come to rest: {await self.pending()}")

    async def _at_rest(self) -> bool:
        """Whether nothing is open but what stands behind a parked intent."""
        async with self.database.connection() as connection:
            waiting: bool = await connection.fetchval(
                "SELECT EXISTS (SELECT 1 FROM secret_intents WHERE state = 'open' AND secret_name NOT IN "
                "(SELECT secret_name FROM secret_intents WHERE state = 'parked'))"
            )
        return not waiting

    async def pending(self) -> list[tuple[str, str, int, str | None]]:
        """Open and parked intents."""
        async with self.database.connection() as connection:
            rows = await connection.fetch(
                "SELECT kind, state, attempts, last_error FROM secret_intents WHERE state IN ('open', 'parked') "
                "ORDER BY sequence"
            )
        return [tuple(row) for row in rows]

    async def synced(self) -> SyncReport:
        return await self.sync.sync()

    async def head(self, name: SecretName = SECRET) -> Head:
        head = await self.ledger.head(name)
        assert head is not None
        return head

    async def values(self, name: SecretName = SECRET) -> list[str]:
        """The values of all versions in the mirror, oldest first."""
        return [await self.value(name, version.version) for version in await self.ledger.versions(name)]

    async def value(self, name: SecretName, version: int) -> str:
        found = await self.ledger.version(name, version)
        assert found is not None
        assert found[1] is not None
        return self.mirror.value(found[0], found[1]).reveal()

    def vault_values(self, name: SecretName = SECRET) -> list[str]:
        """The values of all versions in the vault, oldest first."""
        return [version.value for version in self.vault.model.history(name)]

    def foreign_set(self, value: str, name: SecretName = SECRET, *, enabled: bool = True) -> None:
        """Somebody sets a version directly in the vault."""
        self.clock.move(1)
        self.vault.model.set(name, value, Attributes(enabled=enabled))
        self.clock.move(1)

    async def audited(self, operation: str, name: SecretName = SECRET) -> int:
        """How many records of an operation there are."""
        async with self.database.connection() as connection:
            count: int = await connection.fetchval(
                "SELECT count(*) FROM (SELECT secret_name, operation FROM secret_access_logs UNION ALL "
                "SELECT record ->> 'name', record ->> 'operation' FROM audit_outbox) "
                "AS r WHERE secret_name = $1 AND operation = $2",
                name,
                operation,
            )
        return count


@asynccontextmanager
async def make_world(dsn: str) -> AsyncIterator[World]:
    """A node on a database and an empty vault in memory."""
    database = Database(dsn, max_connections=4)
    await database.open()
    clock = VirtualClock(auto=True, start=datetime.now(UTC))
    try:
        yield World(database, MemoryVault(clock), clock)
    finally:
        await database.close()
