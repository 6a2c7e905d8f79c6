"""Rules at the commit point: grants, role assignments, and emergency access, which is made elsewhere."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from holdfast.domain.audit import AuditRecord
from holdfast.domain.simulation import RecordedRequest
from holdfast.ports import Approve, RuleKind, StoredRule
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.outbox import put_record
from holdfast.stores.postgres.pools import Connection
from holdfast.stores.postgres.queries import load
from holdfast.stores.postgres.standing import credentials_of

REPLAY_TIMEOUT_S: Final = 60.0
"""Seconds that the sum over recorded requests may take: months of them are many millions of rows."""


async def put_rule(connection: Connection, rule: StoredRule) -> Mapping[str, Any]:
    """Insert or replace a rule in a transaction; returns its ``id`` and the ``epoch``."""
    row: Mapping[str, Any] = await connection.fetchrow(
        load("grants")[f"put_{rule.kind}"],
        rule.subject,
        rule.pattern,
        list(rule.terms) if rule.kind is RuleKind.GRANT else rule.terms[0],
        rule.granted_by,
        rule.granted_at,
        rule.expires_at,
        rule.incarnation,
        rule.attestation,
    )
    return row


async def remove_rule(connection: Connection, rule: StoredRule) -> Mapping[str, Any]:
    """Remove the rule of that kind, subject and pattern (and role) in a transaction; ``removed`` and the ``epoch``."""
    keys = (rule.subject, rule.pattern, *(rule.terms if rule.kind is RuleKind.ROLE else ()))
    row: Mapping[str, Any] = await connection.fetchrow(load("grants")[f"remove_{rule.kind}"], *keys)
    return row


async def rules_for(connection: Connection, subject: str) -> list[StoredRule]:
    """The rules that name an identity or a group, as a transaction sees them."""
    return rules_of(await connection.fetch(load("grants")["rules"], [subject]))


class PostgresGrants:
    """Implements ``ports.GrantStore`` and ``ports.RulePages`` over ``secret_access_control`` and ``role_assignments``.

    Every change takes the row of the epoch first, and so changes commit in the order of their epochs.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = load("grants")

    async def rules(self, subject: str | None = None) -> tuple[int, list[StoredRule]]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["rules"], None if subject is None else [subject])
        return rows[0]["epoch"], rules_of(rows)

    async def page(self, kind: RuleKind, after: Sequence[str] | None, limit: int) -> list[StoredRule]:
        """See the port."""
        nowhere = [None] * (2 if kind is RuleKind.GRANT else 3)
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql[f"page_of_{kind}s"], *(after or nowhere), limit)
        return [rule_of(row) for row in rows]

    async def ending(self, within: timedelta, *, after: timedelta, limit: int = 1000) -> list[StoredRule]:
        """Return rules that end within some time and were made for more than ``after``; what ends first is first."""
        async with self._database.connection() as connection:
            rules = [rule_of(row) for row in await connection.fetch(self._sql["ending"], within, after, limit)]
        return [rule for rule in rules if not rule.outlived]

    async def changes(self) -> int:
        """See the port."""
        async with self._database.connection() as connection:
            epoch: int = await connection.fetchval(self._sql["epoch"])
        return epoch

    async def incarnation(self, pattern: str) -> UUID | None:
        """See the port."""
        async with self._database.connection() as connection:
            found: UUID | None = await connection.fetchval(self._sql["incarnation"], pattern)
        return found

    async def put(self, rule: StoredRule, approve: Approve) -> tuple[int, int]:
        """See the port."""
        async with self._database.transaction() as connection:
            await connection.execute(self._sql["lock"])
            record = approve(await credentials_of(connection, rule.subject))
            row = await put_rule(connection, rule)
            await put_record(connection, record)
        self._database.recorded()
        return row["id"], row["epoch"]

    async def remove(self, rule: StoredRule, record: AuditRecord) -> tuple[bool, int]:
        """See the port."""
        async with self._database.transaction() as connection:
            row = await remove_rule(connection, rule)
            await put_record(connection, record)
        self._database.recorded()
        return bool(row["removed"]), row["epoch"]


class PostgresRequests:
    """Implements ``ports.RequestLog`` over ``secret_access_logs``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = load("grants")

    async def recorded_requests(
        self, since: timedelta, *, operations: Sequence[str], limit: int
    ) -> list[RecordedRequest]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                self._sql["recorded_requests"], since, list(operations), limit, timeout=REPLAY_TIMEOUT_S
            )
        return [RecordedRequest(**dict(row)) for row in rows]


def rules_of(rows: Iterable[Mapping[str, Any]]) -> list[StoredRule]:
    """Return what ``rules`` finds: one row without a rule if there is none."""
    return [rule_of(row) for row in rows if row["id"] is not None]


def rule_of(row: Mapping[str, Any]) -> StoredRule:
    """Return a rule as ``rules`` finds it."""
    return StoredRule(
        kind=RuleKind(row["kind"]),
        id=row["id"],
        subject=row["subject"],
        pattern=row["pattern"],
        terms=tuple(row["terms"]),
        granted_by=row["granted_by"],
        granted_at=row["granted_at"],
        expires_at=row["expires_at"],
        incarnation=row["incarnation"],
        attestation=row["attestation"],
        living=row["living"],
    )
