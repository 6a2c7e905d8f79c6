"""What PostgreSQL tells, of itself and of everything that is kept in it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime
from typing import Final

from holdfast.bootstrap.doctor.local import facts
from holdfast.bootstrap.doctor.surroundings import VAULT_VARIABLES
from holdfast.bootstrap.keysources import present_ring
from holdfast.bootstrap.storage import connected
from holdfast.bootstrap.vault import open_vault
from holdfast.config import Draft
from holdfast.crypto.keyring import KeyRing
from holdfast.crypto.known_answer import check_known_answers
from holdfast.crypto.validity import validity_of_der
from holdfast.domain.diagnosis import Finding, failure, ok, skipped
from holdfast.embedded.inspection import look_at_folder
from holdfast.errors import BackendUnavailable, ConfigurationError, StartupError
from holdfast.ports import NodeRecord
from holdfast.service.doctor.audit import audit_findings
from holdfast.service.doctor.certificates import certificate_findings
from holdfast.service.doctor.clocks import skew_finding
from holdfast.service.doctor.database import host_findings, schema_findings, server_findings
from holdfast.service.doctor.examination import Check
from holdfast.service.doctor.keys import key_findings
from holdfast.service.doctor.local import not_looked_at
from holdfast.service.doctor.mirror import NAMED, kept_out_findings, mirror_findings, rotation_findings
from holdfast.service.doctor.nodes import node_findings, quota_findings
from holdfast.service.doctor.sample import sample_findings
from holdfast.stores.postgres.access import PostgresReports
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.hosts import writable_hosts
from holdfast.stores.postgres.inspection import PostgresInspector, why_unreachable
from holdfast.stores.postgres.journal import PostgresJournal
from holdfast.stores.postgres.kept_out import PostgresKeptOut
from holdfast.stores.postgres.keys import PostgresKeyRegistry
from holdfast.stores.postgres.ledger import PostgresLedger
from holdfast.stores.postgres.nodes import PostgresNodes
from holdfast.stores.postgres.rotation import PostgresRotations
from holdfast.stores.postgres.sync_state import PostgresSyncState

CONNECT_S: Final = 90.0
"""Seconds to connect: an embedded PostgreSQL that was killed replays its log first."""

_VARIABLES: Final = ("DATABASE_URL", "HOLDFAST_DATABASE_LOGIN")
_AWAY_WHY: Final = "Without PostgreSQL nothing can be changed, and reads end with the lease on the grants."
_START_FIX: Final = "Follow that text; docs/troubleshooting.md, 'PostgreSQL is away'."
_NO_SAMPLE: Final = (
    skipped(
        "mirror", "No secret was compared with Key Vault now: the mirror was never completed, so equal says nothing."
    ),
)


class Connecting:
    """Connects to the database of the settings, unless there is a connected one.

    ``database`` stays None where that fails or there is none yet.
    """

    def __init__(self, draft: Draft, stack: AsyncExitStack, database: Database | None = None) -> None:
        self._draft, self._stack, self.database = draft, stack, database

    async def look(self) -> Sequence[Finding]:
        """Connect; what is found is told only where that fails."""
        settings = self._draft.settings
        if self.database is not None:
            return []
        if unusable := sorted(self._draft.unusable.intersection(_VARIABLES)):
            return not_looked_at("postgresql", unusable)
        if settings.database_url is None and not look_at_folder(settings.data_dir).has_cluster:
            return [ok("postgresql", "No DATABASE_URL, and no data yet: `holdfast init` makes an embedded PostgreSQL.")]
        try:
            self.database = await connected(self._stack, settings)
        except StartupError as error:
            what, fix = why_unreachable(error) if settings.database_url else (str(error), _START_FIX)
            return [failure("postgresql", what, why=_AWAY_WHY, fix=fix)]
        return []


class DatabaseLooks:
    """The checks on a connected database."""

    def __init__(self, draft: Draft, database: Database) -> None:
        self._draft, self._settings = draft, draft.settings
        self._database, self._inspector = database, PostgresInspector(database)
        self._nodes = PostgresNodes(database)

    def checks(self) -> list[Check]:
        """All of them; those on the content only where there is any."""
        return [
            Check(name="postgresql", look=self._server),
            Check(name="postgresql", look=self._hosts),
            Check(name="schema", look=self._schema),
            Check(name="keys", look=self._keys),
            Check(name="clocks", look=self._clocks),
            Check(name="certificates", look=self._certificate),
            *(Check(name=name, look=self._once_migrated(name, look)) for name, look in self._content().items()),
        ]

    def _content(self) -> Mapping[str, Callable[[], Awaitable[Sequence[Finding]]]]:
        mirror = {"mirror": self._mirror, "quota": self._quota} if self._settings.vault_url else {}
        return {**mirror, "rotation": self._rotation, "audit": self._audit, "nodes": self._present}

    def _once_migrated(
        self, name: str, look: Callable[[], Awaitable[Sequence[Finding]]]
    ) -> Callable[[], Awaitable[Sequence[Finding]]]:
        async def looked() -> Sequence[Finding]:
            schema = await self._inspector.schema()
            if schema.version != schema.newest:
                return [skipped(name, f"Not looked at: the schema is not this release's ({schema.version}).")]
            return await look()

        return looked

    async def _server(self) -> Sequence[Finding]:
        by_token = self._database.password is not None
        return server_findings(await self._inspector.server(), len(await self._serving()), by_token=by_token)

    async def _hosts(self) -> Sequence[Finding]:
        dsn = self._settings.database_url
        return host_findings(await writable_hosts(dsn, self._database.password)) if dsn else []

    async def _serving(self) -> list[NodeRecord]:
        schema = await self._inspector.schema()
        return await self._nodes.present() if schema.version == schema.newest else []

    async def _schema(self) -> Sequence[Finding]:
        may_create = (await self._inspector.server()).may_create
        return schema_findings(await self._inspector.schema(), may_create=may_create)

    async def _keys(self) -> Sequence[Finding]:
        registry = PostgresKeyRegistry(self._database)
        answers = await registry.known_answers()
        ring = ring_of(self._draft)
        if isinstance(ring, Finding):
            return [ring]
        try:
            check_known_answers(ring, answers)
            fault = ""
        except StartupError as error:
            fault = str(error)
        schema = await self._inspector.schema()
        known = await self._inspector.keys() if answers and schema.version == schema.newest else []
        return key_findings(ring.ids, fault, known, datetime.now(UTC))

    async def _clocks(self) -> Sequence[Finding]:
        asked = datetime.now(UTC)
        server = await self._inspector.server()
        answered = datetime.now(UTC)
        middle = asked + (answered - asked) / 2
        return [skew_finding("this machine", middle, "PostgreSQL", server.now, resolution=(answered - asked) / 2)]

    async def _certificate(self) -> Sequence[Finding]:
        der = await self._inspector.certificate()
        if der is None:
            return []
        return certificate_findings([facts("PostgreSQL's certificate", validity_of_der(der))], datetime.now(UTC))

    async def _mirror(self) -> Sequence[Finding]:
        totals = await PostgresReports(self._database).totals()
        journal = await PostgresJournal(self._database).status()
        sync = await PostgresSyncState(self._database).status()
        interval, now = self._settings.sync_interval, await self._now()
        kept_out = PostgresKeptOut(self._database)
        found = mirror_findings(journal, sync, totals.drifting, interval, now)
        found += kept_out_findings(await kept_out.names(limit=NAMED), await kept_out.count())
        return [*found, *(await self._sample() if sync.last_finished_at is not None else _NO_SAMPLE)]

    async def _sample(self) -> Sequence[Finding]:
        if self._draft.unusable.intersection(VAULT_VARIABLES):
            return []
        try:
            async with aclosing(open_vault(self._settings)) as vault:
                return await sample_findings(PostgresLedger(self._database), vault)
        except (BackendUnavailable, ConfigurationError, StartupError):
            return [skipped("mirror", "No secret was compared with Key Vault now: see keyvault.")]

    async def _quota(self) -> Sequence[Finding]:
        return quota_findings(await self._nodes.present())

    async def _rotation(self) -> Sequence[Finding]:
        rotations = PostgresRotations(self._database)
        withheld = await rotations.withheld()
        stuck = [each for each in await rotations.runs(open_only=True, limit=1000) if each.is_stuck]
        return rotation_findings(await rotations.overdue(), stuck, await rotations.last_checked(), withheld)

    async def _audit(self) -> Sequence[Finding]:
        exported = bool(self._settings.audit_checkpoints)
        return audit_findings(await self._inspector.audit(), await self._now(), exported=exported)

    async def _present(self) -> Sequence[Finding]:
        return node_findings(await self._nodes.present(), await self._inspector.stale_nodes())

    async def _now(self) -> datetime:
        return (await self._inspector.server()).now


def ring_of(draft: Draft) -> KeyRing | Finding:
    """Return the ring of the settings, without making a key; or what keeps it from being one."""
    if draft.unusable & {"FALLBACK_ENCRYPTION_KEY", "HOLDFAST_DECRYPTION_KEYS"}:
        return not_looked_at("keys", ["the key"])[0]
    try:
        return present_ring(draft.settings)
    except ConfigurationError as error:
        return _unusable(" ".join(error.faults))
    except StartupError as error:
        return _unusable(str(error))


def _unusable(what: str) -> Finding:
    return failure(
        "keys",
        what,
        why="What is stored cannot be opened without it, so a node refuses to start.",
        fix="Give the key back from where you keep it; docs/troubleshooting.md, 'The key is wrong'.",
    )
